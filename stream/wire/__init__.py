"""Bytes to values and back, one schema per file."""

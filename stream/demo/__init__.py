"""Simulated customers, the real worker, alerts on the screen."""

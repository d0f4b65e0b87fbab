"""Proposal: a first policy file for a product, drawn from a sample of its own log."""

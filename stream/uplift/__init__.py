"""Uplift: what acting on alerts brought, against customers on whose alerts nobody acted."""

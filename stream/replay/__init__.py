"""Event log files in, alerts out."""

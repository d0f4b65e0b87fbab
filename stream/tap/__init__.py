"""The tap: alerts as they are published, for people and for pipes."""

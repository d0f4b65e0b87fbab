"""Rereading: a topic as a log, for whoever asks what would be said of it now."""

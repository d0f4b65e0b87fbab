"""The diff: alerts that were sent, beside alerts that would be sent now."""

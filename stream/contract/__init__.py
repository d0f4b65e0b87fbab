"""The contract of the topic of alerts, for those who read it: made from the types."""

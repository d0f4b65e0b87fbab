"""Blocks in, one Kafka transaction out; knows nothing of churn."""

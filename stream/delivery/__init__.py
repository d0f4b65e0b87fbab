"""Delivery: alerts to those who do not read Kafka, by signed webhooks."""

"""slipaway: tells which customers are slipping away, from the usage events already in Kafka."""

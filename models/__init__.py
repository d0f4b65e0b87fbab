"""What is learned across customers: knows nothing of streams, files or Kafka."""

"""The live view: workers, partitions, lag and what is said, on one screen."""

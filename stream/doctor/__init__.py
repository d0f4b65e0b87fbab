"""Whether a worker with these settings would work, before one is started."""

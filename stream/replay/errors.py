"""What stops a replay: a log that cannot be read, or that is not what the policy says."""


class LogError(Exception):
    """The log as a whole is unusable; its text says which file, why, and what to change."""

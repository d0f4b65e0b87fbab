"""Errors: what cannot be explained, and what to do about it."""


class Unexplained(Exception):  # noqa: N818 - nothing is wrong; there is nothing to explain
    """There is no such customer, or alert; the message says what to ask instead."""

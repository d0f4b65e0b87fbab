"""Signatures by Standard Webhooks: HMAC-SHA256 over id, time and body, one for each secret.

While a secret is exchanged both sign, and the receiver takes either.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence

PREFIX = "whsec_"
BYTES_MIN, BYTES_MAX = 24, 64


def read_secret(text: str) -> bytes:
    """Read a secret, "whsec_" and base64 of 24 to 64 bytes; raise ValueError if it is not one."""
    # Never with the text in the message: it is a secret, or meant to be one.
    if not text.startswith(PREFIX):
        raise ValueError(f'it does not begin with "{PREFIX}"')
    try:
        secret = b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f'what follows "{PREFIX}" is not base64') from None
    if not BYTES_MIN <= len(secret) <= BYTES_MAX:
        raise ValueError(f"it has {len(secret)} bytes; from {BYTES_MIN} to {BYTES_MAX} are safe")
    return secret


def signed(
    message_id: str, at_seconds: int, body: bytes, secrets: Sequence[bytes]
) -> list[tuple[str, str]]:
    """Return the headers of an attempt at `at_seconds` (since 1970 UTC)."""
    content = f"{message_id}.{at_seconds}.".encode() + body
    signatures = [b64encode(hmac.digest(secret, content, "sha256")).decode() for secret in secrets]
    return [
        ("webhook-id", message_id),
        ("webhook-timestamp", str(at_seconds)),
        ("webhook-signature", " ".join(f"v1,{signature}" for signature in signatures)),
    ]

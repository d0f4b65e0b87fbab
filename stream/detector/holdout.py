"""Holdout: customers whose alerts are recorded, not delivered, to see what acting on them brings.

By a salted hash of the id: the same on every machine and in every run, evenly
spread, and unrelated to the hashes that other samples are taken by.  A larger
share adds customers and takes none away; another salt draws anew.
"""

from hashlib import blake2b

from stream.detector.policy import Holdout

_DIGEST_BYTES = 8


def held_out(customer_id: str, policy: Holdout) -> bool:
    """Tell whether a customer is in the holdout."""
    if not policy.share:
        return False
    salted = f"{policy.salt}\0{customer_id}".encode("utf-8", "surrogatepass")
    digest = blake2b(salted, digest_size=_DIGEST_BYTES, person=b"holdout").digest()
    return int.from_bytes(digest) / 2.0 ** (8 * _DIGEST_BYTES) < policy.share

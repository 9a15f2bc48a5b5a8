"""Secrets and signatures of Standard Webhooks (https://www.standardwebhooks.com), version ``v1``."""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
LENGTH = 32
"""Octets of a new secret; Standard Webhooks allows 24 to 64."""


def make_secret() -> bytes:
    """Return a new secret."""
    return os.urandom(LENGTH)


def format_secret(secret: bytes) -> str:
    """Return a secret as receivers get it."""
    return PREFIX + base64.b64encode(secret).decode()


def make_headers(message_id: str, timestamp: int, body: bytes, secrets: Iterable[bytes]) -> Mapping[str, str]:
    """Return the headers of one attempt: ``timestamp`` is in seconds since 1970, that of the attempt.

    There is a signature for each secret, so that receivers may change theirs at any time of a rotation.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signatures = [hmac.digest(secret, signed, hashlib.sha256) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }

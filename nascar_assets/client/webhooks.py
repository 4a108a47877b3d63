"""For those who receive webhooks: whether a delivery is the service's own."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping

from nascar_assets.service.signatures import signature

LONGEST_AGE = 300
"""Seconds after which a delivery is taken for a replay."""


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> bool:
    """Whether a delivery was signed with the secret, and not long ago.

    Args:
        secret: The secret that the service signs with.
        headers: The delivery's headers; names in any case.
        body: Its body, as it came in.
        now: Seconds since 1970; the clock's where none is given.
    """
    found = {name.lower(): value for name, value in headers.items()}
    timestamp = found.get("x-signature-timestamp", "")
    given = found.get("x-signature-256", "")
    moment = time.time() if now is None else now
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    fresh = abs(moment - int(timestamp)) <= LONGEST_AGE
    return fresh and hmac.compare_digest(
        signature(secret, timestamp, body).encode(), given.encode("utf-8", "replace")
    )

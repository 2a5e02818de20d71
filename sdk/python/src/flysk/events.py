"""Verifies events of Flysk: Standard Webhooks 1.0, https://www.standardwebhooks.com."""

import base64
import binascii
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import cast

from .errors import InvalidSignatureError
from .models import Event

SECRET_PREFIX = "whsec_"
SCHEME = "v1,"
TOLERANCE_S = 300
TIMESTAMP = re.compile(r"[0-9]{1,12}")


def verify_event(
    secrets: str | Iterable[str],
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> Event:
    """The event in a request that Flysk sent.

    `secrets`: the event secret (`whsec_…`), or several, while it is being replaced. `headers`: those of the request,
    in any case. `body`: the raw body, as it arrived: parsed and written again it has another signature.
    `tolerance_s`: how much the timestamp may differ from the clock, seconds. `now_s`: the time, Unix seconds; by default
    the clock's.

    An event may arrive twice, with the same `id`: take each once.

    Raises:
        InvalidSignatureError: Flysk did not send it, or not within the tolerated time.
        ValueError: a secret is not an event secret.
    """
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    raw = body.encode() if isinstance(body, str) else bytes(body)
    known = {name.lower(): value for name, value in headers.items()}
    event_id, sent_at = known.get("webhook-id", ""), known.get("webhook-timestamp", "")
    if not event_id or not TIMESTAMP.fullmatch(sent_at):
        raise InvalidSignatureError("the headers webhook-id and webhook-timestamp are missing")
    now_s = time.time() if now_s is None else now_s
    if abs(now_s - int(sent_at)) > tolerance_s:
        raise InvalidSignatureError("the timestamp is too far from the clock: a repeated old request, or a wrong clock")
    signed = _bytes(f"{event_id}.{sent_at}.") + raw
    ours = [SCHEME.encode() + base64.b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
    theirs = [_bytes(text) for text in known.get("webhook-signature", "").split()]
    # All pairs are compared, each in constant time.
    matches = [hmac.compare_digest(own, their) for own in ours for their in theirs]
    if not any(matches):
        raise InvalidSignatureError("no signature matches a secret")
    return cast(Event, json.loads(raw))


def _bytes(header: str) -> bytes:
    """A header as it arrived. Some servers have surrogates for bytes that are not UTF-8, which anybody can send."""
    return header.encode("utf-8", "surrogateescape")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    # Outside of `except`: the chained error would hold the secret.
    if not secret.startswith(SECRET_PREFIX) or not key:
        raise ValueError(f"an event secret is {SECRET_PREFIX} and base64")
    return key

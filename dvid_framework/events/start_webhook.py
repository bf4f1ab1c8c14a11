"""Telling another service that this server starts; it must agree."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping

import msgspec

from dvid_framework.errors import BadRequest

__all__ = ["announce_start"]

_SECONDS = 10.0


def announce_start(url: str, told: Mapping[str, str]) -> None:
    """Post JSON to a URL.

    Raises:
        BadRequest: it is no http address, nobody is there, or the answer is not 200.
    """
    if not url.startswith(("http://", "https://")):
        raise BadRequest("[server] startWebhook must begin with http:// or https://")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        url, msgspec.json.encode(told), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except (OSError, ValueError) as error:
        raise BadRequest(f"[server] startWebhook does not answer: {error}") from error
    if status != 200:
        raise BadRequest(f"[server] startWebhook must answer 200 for the server to start, and not {status}")

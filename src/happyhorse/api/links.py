"""Absolute links to results that need no credential: signed, and good for a time."""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import urlencode

from fastapi import Request

from happyhorse.errors import Forbidden

LINK_S = 24 * 3600
_STEP_S = 3600


class Links:
    def __init__(self, secret: bytes, public_url: str | None) -> None:
        self.secret = secret
        self.public_url = public_url.rstrip("/") if public_url else None

    def base(self, request: Request) -> str:
        return self.public_url or str(request.base_url).rstrip("/")

    def signed(self, request: Request, path: str) -> str:
        """The expiry is rounded up to the hour, so that polls give the same link for a while."""
        expires = (int(time.time()) + LINK_S) // _STEP_S * _STEP_S + _STEP_S
        query = urlencode({"expires": expires, "signature": self._signature(path, expires)})
        return f"{self.base(request)}{path}?{query}"

    def is_signed(self, request: Request) -> bool:
        """Whether the request carries a good signature of its path. Raises: Forbidden for a bad or expired one."""
        signature, expires = request.query_params.get("signature"), request.query_params.get("expires")
        if signature is None and expires is None:
            return False
        number = (
            int(expires) if expires and expires.isascii() and expires.isdigit() and len(expires) < 13 else 0
        )
        expected = self._signature(request.scope["path"], number)
        if not hmac.compare_digest(expected.encode(), (signature or "").encode()):
            raise Forbidden("the link's signature is wrong")
        if number < time.time():
            raise Forbidden("the link has expired; ask for the generation again")
        return True

    def _signature(self, path: str, expires: int) -> str:
        return hmac.new(self.secret, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()

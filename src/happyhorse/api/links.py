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
        """For who asked by this request."""
        return self.signed_from(self.base(request), path)

    def signed_from(self, base_url: str, path: str) -> str:
        """For a message that no request asks for: `base_url` is what `base` said when it was ordered.

        The expiry is rounded up to the hour, so that polls give the same link for a while.
        """
        expires = (int(time.time()) + LINK_S) // _STEP_S * _STEP_S + _STEP_S
        query = urlencode({"expires": expires, "signature": self._signature(path, expires)})
        return f"{base_url}{path}?{query}"

    def is_signed(self, request: Request) -> bool:
        """Whether the request carries a good signature of its path. Raises: Forbidden for a bad or expired one."""
        query = request.query_params
        return self.verify(request.scope["path"], query.get("expires"), query.get("signature"))

    def verify(self, path: str, expires: str | None, signature: str | None) -> bool:
        """Whether a path has a signature, and it is good. Raises: Forbidden for a bad or expired one."""
        if signature is None and expires is None:
            return False
        number = (
            int(expires) if expires and expires.isascii() and expires.isdigit() and len(expires) < 13 else 0
        )
        expected = self._signature(path, number)
        if not hmac.compare_digest(expected.encode(), (signature or "").encode()):
            raise Forbidden("the link's signature is wrong")
        if number < time.time():
            raise Forbidden("the link has expired; ask for the generation again")
        return True

    def _signature(self, path: str, expires: int) -> str:
        return hmac.new(self.secret, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()

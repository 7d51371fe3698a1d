"""Who is asking: Bearer keys, scopes, rate limits, and the single user of a server that only this machine can reach.

A request without a credential is allowed only in single-user mode, from a loopback address, to a loopback name and not from a
web page of another site. A wrong credential is always refused.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request

from happyhorse.errors import Forbidden, Unauthenticated
from happyhorse.jobs.keys import SCOPES, Key, KeyStore, Scope
from happyhorse.jobs.submit import LOCAL, Caller


@dataclass(frozen=True)
class Identity:
    """A caller with what it may do. The owner filter is None for those who see every job."""

    caller: Caller
    scopes: tuple[str, ...]

    @property
    def sees(self) -> str | None:
        return None if "admin" in self.scopes else self.caller.owner


class Auth:
    def __init__(self, keys: KeyStore, *, single_user: bool) -> None:
        self.keys, self.single_user = keys, single_user

    def identify(self, request: Request, scope: Scope) -> Identity:
        """Raises: Unauthenticated, Forbidden, LimitExceeded (only for calls that need the scope `generate`)."""
        key = self._key(request)
        if key is None:
            return Identity(LOCAL, SCOPES)
        if scope not in key.scopes and "admin" not in key.scopes:
            raise Forbidden(f"this key has no scope '{scope}'; it has {', '.join(key.scopes)}")
        if scope == "generate":
            self.keys.count(key)
        return Identity(Caller(key.id), key.scopes)

    def check(self, request: Request) -> None:
        """Whoever asks may ask for something. Raises: Unauthenticated."""
        self._key(request)

    def _key(self, request: Request) -> Key | None:
        """The caller's key; None for the single user."""
        secret = _secret(request)
        if secret is None:
            if self.single_user and is_local(request):
                return None
            raise Unauthenticated("send a key: Authorization: Bearer hh_...")
        key = self.keys.find(secret)
        if key is None:
            raise Unauthenticated("this key is not known or was revoked")
        return key


def _secret(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    kind, _, secret = header.strip().partition(" ")
    if kind.lower() not in ("bearer", "key") or not secret.strip():
        raise Unauthenticated("Authorization must be 'Bearer <key>'")
    return secret.strip()


def is_local(request: Request) -> bool:
    """From this machine, to this machine by name, and not on behalf of a page of another site."""
    client = request.client.host if request.client else ""
    origin = request.headers.get("origin")
    pages = [] if origin is None else [_host(origin)]
    host = _host(f"//{request.headers.get('host', '')}")
    return all(is_loopback(name) for name in (client, host, *pages))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

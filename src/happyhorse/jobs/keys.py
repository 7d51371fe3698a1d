"""API keys: shown once, stored as a hash, found by it. All the SQL of keys."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack, cast, get_args

import sqlalchemy as sa

from happyhorse.db import Database, keys, new_id
from happyhorse.errors import InvalidRequest, LimitExceeded, NotFound
from happyhorse.jobs.job import MICROS
from happyhorse.jobs.limits import take_turn

Scope = Literal["generate", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_SCOPES: tuple[Scope, ...] = ("generate", "read")
PREFIX = "hh_"


@dataclass(frozen=True)
class Key:
    """A key as the service knows it; the secret itself is not kept."""

    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    requests_per_minute: int | None
    spend_limit_micros: int | None
    created_at: float
    revoked_at: float | None
    daily_spend_limit_micros: int | None
    concurrent_jobs: int | None


class Limits(TypedDict, total=False):
    """What a key may use; None is no limit."""

    requests_per_minute: int | None
    spend_limit_usd: float | None
    daily_spend_limit_usd: float | None
    concurrent_jobs: int | None


class KeyStore:
    def __init__(self, database: Database) -> None:
        self.database = database

    def create(
        self, name: str, *, scopes: Iterable[str] = DEFAULT_SCOPES, **limits: Unpack[Limits]
    ) -> tuple[Key, str]:
        """Make a key; the secret is returned here and never again. Raises: InvalidRequest."""
        wanted = tuple(dict.fromkeys(scopes))
        unknown = sorted(set(wanted) - set(SCOPES))
        if unknown or not wanted:
            raise InvalidRequest(
                f"scopes must be some of {', '.join(SCOPES)}; got '{', '.join(unknown)}'", field="scopes"
            )
        if not name.strip() or len(name) > 120 or not name.isprintable():
            text = f"name must have 1 to 120 characters that can be printed; got {len(name)}"
            raise InvalidRequest(text, field="name")
        secret = PREFIX + secrets.token_urlsafe(32)
        row = {
            "id": f"key-{new_id()}",
            "name": name.strip(),
            "hash": _hash(secret),
            "prefix": secret[:8],
            "scopes": list(wanted),
            "created_at": time.time(),
            **_columns(limits),
        }
        with self.database.write() as connection:
            stored = connection.execute(sa.insert(keys).values(row).returning(keys)).one()
        return _key(stored), secret

    def find(self, secret: str) -> Key | None:
        """The key with this secret, unless it is revoked. Looked up by its hash, so time tells nothing of the secret."""
        digest = _hash(secret)
        with self.database.read() as connection:
            row = connection.execute(sa.select(keys).where(keys.c.hash == digest)).first()
        if row is None or not hmac.compare_digest(row.hash, digest) or row.revoked_at is not None:
            return None
        return _key(row)

    def count(self, key: Key) -> None:
        """Count a request against the key's rate limit. Raises: LimitExceeded with the time to wait."""
        if key.requests_per_minute is None:
            return
        with self.database.write(durable=False) as connection:
            wait_s = take_turn(connection, key.id, key.requests_per_minute)
        if wait_s:
            text = f"this key may make {key.requests_per_minute} requests a minute; try again in {math.ceil(wait_s)} s"
            raise LimitExceeded(text, retry_after_s=wait_s)

    def list(self) -> Sequence[Key]:
        with self.database.read() as connection:
            return [_key(row) for row in connection.execute(sa.select(keys).order_by(keys.c.id))]

    def any_live(self) -> bool:
        query = sa.select(keys.c.id).where(keys.c.revoked_at.is_(None)).limit(1)
        with self.database.read() as connection:
            return connection.execute(query).first() is not None

    def change(self, key_id: str, **limits: Unpack[Limits]) -> Key:
        """Set the limits that are named, for the next request on; a rate starts anew. Raises: NotFound."""
        anew = {"full_at": None} if "requests_per_minute" in limits else {}
        # Nothing to set is no error: the id is set to itself.
        return self._update(key_id, {"id": key_id, **_columns(limits), **anew})

    def revoke(self, key_id: str) -> Key:
        """Raises: NotFound. A second time changes nothing."""
        return self._update(key_id, {"revoked_at": sa.func.coalesce(keys.c.revoked_at, time.time())})

    def _update(self, key_id: str, values: Mapping[str, object]) -> Key:
        statement = sa.update(keys).where(keys.c.id == key_id).values(**values).returning(keys)
        with self.database.write() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise NotFound(f"there is no key '{key_id[:64]}'")
        return _key(row)


def _columns(limits: Limits) -> dict[str, object]:
    """Limits as they are kept: money in micro-dollars."""
    kept: dict[str, object] = dict(limits)
    for name in ("spend_limit", "daily_spend_limit"):
        if f"{name}_usd" in kept:
            dollars = cast(float | None, kept.pop(f"{name}_usd"))
            kept[f"{name}_micros"] = None if dollars is None else round(dollars * MICROS)
    return kept


def _hash(secret: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _key(row: sa.Row[tuple[object, ...]]) -> Key:
    fields = dict(row._mapping)
    del fields["hash"], fields["full_at"]
    return Key(**{**fields, "scopes": tuple(fields["scopes"])})

"""What the environment says: the only reader of os.environ."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from happyhorse.errors import InvalidRequest


@dataclass(frozen=True)
class Hosted:
    """Whom the engine `hosted` forwards to."""

    dialect: str = "dashscope"
    """HAPPYHORSE_HOSTED_DIALECT: dashscope or replicate."""
    url: str | None = None
    """HAPPYHORSE_HOSTED_URL: the base URL, as SDKs of that service take it; the service's own when not given."""
    key: str | None = field(default=None, repr=False)
    """HAPPYHORSE_HOSTED_KEY: the user's own key there. Only workers need it."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """HAPPYHORSE_HOSTED_PRICES: USD per second by resolution, such as 720P=0.14,1080P=0.24; what is left out is at the default."""


@dataclass(frozen=True)
class Rewrite:
    """The OpenAI-compatible endpoint that writes prompts out for the 15 B engine; rules do where there is none."""

    url: str | None = None
    """HAPPYHORSE_REWRITE_URL: its base URL, such as https://host/v1. It may be in this network."""
    model: str = ""
    """HAPPYHORSE_REWRITE_MODEL."""
    key: str | None = field(default=None, repr=False)
    """HAPPYHORSE_REWRITE_KEY, where it wants one. Only workers need the three."""


@dataclass(frozen=True)
class Settings:
    """Choices of the machine, not of one request."""

    engine: str = "nano"
    """HAPPYHORSE_ENGINE: the engine of requests that name none."""
    data_dir: Path = Path("~/.local/share/happyhorse")
    """HAPPYHORSE_DATA_DIR: the service's database, files and locks."""
    weights_dir: Path = Path("~/.local/share/happyhorse/weights")
    """HAPPYHORSE_WEIGHTS_DIR: weights that are not shipped, one folder an engine; `weights` in the data folder when not given."""
    database_url: str | None = None
    """HAPPYHORSE_DATABASE_URL: sqlite:///path or postgresql://...; a SQLite file in the data folder when not given."""
    storage: str | None = None
    """HAPPYHORSE_STORAGE: s3://bucket/prefix for results and inputs; a folder in the data folder when not given."""
    public_url: str | None = None
    """HAPPYHORSE_PUBLIC_URL: how clients reach this server, for absolute links behind a proxy."""
    secret: str | None = None
    """HAPPYHORSE_SECRET: signs result links; the same on every machine of a fleet. Made and kept in the database else."""
    retention_hours: float = 24.0
    """HAPPYHORSE_RETENTION_HOURS: how long results and uploads are kept; 0 keeps them for ever."""
    jobs_per_key: int | None = None
    """HAPPYHORSE_JOBS_PER_KEY: how many jobs of one key may run at once; more of them wait. 64 at first, then as last said."""
    allow_local_urls: bool = False
    """HAPPYHORSE_ALLOW_LOCAL_URLS=1: inputs may be fetched from this network; for tests and closed networks."""
    signer: Path | None = None
    """HAPPYHORSE_SIGNER: PEM file with the private key and the certificates that sign clips; the same on every machine of a
    fleet. Made and kept in the data folder else."""
    fp8: bool = False
    """HAPPYHORSE_FP8=1: the 15 B engine's networks compute in eight bits, faster and less exactly; docs/magihuman.md."""
    speedups: tuple[str, ...] = ()
    """HAPPYHORSE_SPEEDUPS=compile,flex,graphs: what the 15 B engine turns on of these; docs/magihuman.md."""
    prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """HAPPYHORSE_PRICES: price sheets by engine, USD per second by resolution, such as nano: 720P=0.05; magihuman: 720P=0.2,1080P=0.3.
    What they leave out is at the default."""
    server: str = "http://127.0.0.1:8000"
    """HAPPYHORSE_SERVER: where the commands that talk to a server find it."""
    api_key: str | None = None
    """HAPPYHORSE_API_KEY: the credential of those commands."""
    hosted: Hosted = Hosted()
    rewrite: Rewrite = Rewrite()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        values = os.environ if environ is None else environ

        def text(name: str) -> str | None:
            return values.get(f"HAPPYHORSE_{name}", "").strip() or None

        return cls(
            engine=text("ENGINE") or cls.engine,
            data_dir=(data_dir := Path(text("DATA_DIR") or cls.data_dir).expanduser()),
            weights_dir=Path(text("WEIGHTS_DIR") or data_dir / "weights").expanduser(),
            database_url=text("DATABASE_URL"),
            storage=text("STORAGE"),
            public_url=text("PUBLIC_URL"),
            secret=text("SECRET"),
            retention_hours=_hours(text("RETENTION_HOURS")),
            jobs_per_key=_count(text("JOBS_PER_KEY"), "JOBS_PER_KEY"),
            allow_local_urls=_flag(text("ALLOW_LOCAL_URLS"), "ALLOW_LOCAL_URLS"),
            signer=Path(own).expanduser() if (own := text("SIGNER")) else None,
            fp8=_flag(text("FP8"), "FP8"),
            speedups=names_in(text("SPEEDUPS") or ""),
            prices=_sheets(text("PRICES")),
            server=text("SERVER") or cls.server,
            api_key=text("API_KEY"),
            hosted=Hosted(
                dialect=(text("HOSTED_DIALECT") or Hosted.dialect).lower(),
                url=text("HOSTED_URL"),
                key=_key(text("HOSTED_KEY"), "HOSTED_KEY"),
                prices=_prices(text("HOSTED_PRICES"), "HOSTED_PRICES"),
            ),
            rewrite=_rewrite(text("REWRITE_URL"), text("REWRITE_MODEL"), text("REWRITE_KEY")),
        )

    def keep_compiled(self) -> None:
        """Have torch keep what it compiles in the data folder, unless the environment names another (TORCHINDUCTOR_CACHE_DIR)."""
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(self.data_dir / "compiled"))

    def environment(self) -> dict[str, str]:
        """The environment for a child that shall see the same database and files; a password must not stand in its arguments."""
        own = {
            "HAPPYHORSE_DATABASE_URL": self.database_url or "",
            "HAPPYHORSE_DATA_DIR": str(self.data_dir),
            "HAPPYHORSE_WEIGHTS_DIR": str(self.weights_dir),
        }
        more = {
            "HAPPYHORSE_RETENTION_HOURS": f"{self.retention_hours:g}",
            "HAPPYHORSE_STORAGE": self.storage or "",
            "HAPPYHORSE_ALLOW_LOCAL_URLS": "1" if self.allow_local_urls else "",
        }
        return {**os.environ, **own, **more}


def names_in(value: str) -> tuple[str, ...]:
    """Names with commas or spaces between them."""
    return tuple(filter(None, re.split(r"[,\s]+", value)))


def _flag(value: str | None, name: str) -> bool:
    said = (value or "0").lower()
    if said not in _ON | _OFF:
        raise InvalidRequest(f"HAPPYHORSE_{name} must be 1 or 0; got '{said[:40]}'")
    return said in _ON


_ON, _OFF = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def _count(value: str | None, name: str) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:10]) <= 10_000):
        raise InvalidRequest(f"HAPPYHORSE_{name} must be a whole number from 1 to 10000; got '{value[:40]}'")
    return int(value)


def _hours(value: str | None) -> float:
    if value is None:
        return Settings.retention_hours
    try:
        hours = float(value)
    except ValueError:
        hours = -1.0
    if not 0 <= hours < 1e6:
        raise InvalidRequest(
            f"HAPPYHORSE_RETENTION_HOURS must be a number of hours, 0 for ever; got '{value[:40]}'"
        )
    return hours


def _rewrite(url: str | None, model: str | None, key: str | None) -> Rewrite:
    if url is None:
        return Rewrite()
    try:
        parts = urlsplit(url)
        is_base = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_base = False
    if not is_base:  # not quoted: a password may stand in it
        raise InvalidRequest("HAPPYHORSE_REWRITE_URL must be http(s)://host/..., without a password")
    if model is None:
        raise InvalidRequest("HAPPYHORSE_REWRITE_MODEL must name a model beside HAPPYHORSE_REWRITE_URL")
    return Rewrite(url, model, _key(key, "REWRITE_KEY"))


def _key(value: str | None, name: str) -> str | None:
    """The message does not quote it: it may be most of a real one."""
    if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
        raise InvalidRequest(f"HAPPYHORSE_{name} must be one word of plain characters")
    return value


def _sheets(value: str | None) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for sheet in (value or "").split(";"):
        engine, is_named, prices = sheet.partition(":")
        if is_named and engine.strip():
            found[engine.strip()] = _prices(prices, "PRICES")
        elif sheet.strip():
            allowed = "sheets by engine, such as nano: 720P=0.05; magihuman: 720P=0.2"
            raise InvalidRequest(f"HAPPYHORSE_PRICES must be {allowed}; got '{sheet.strip()[:40]}'")
    return found


def _prices(value: str | None, name: str) -> dict[str, float]:
    """Whether there are such resolutions is for the engine's catalog to say."""
    found: dict[str, float] = {}
    for entry in (value or "").split(","):
        pair = re.fullmatch(r"\s*(\w{1,10})\s*=\s*([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*", entry, re.ASCII)
        if pair is not None:
            found[pair[1].upper()] = float(pair[2])
        elif entry.strip():
            allowed = "resolutions with USD per second, such as 720P=0.14,1080P=0.24"
            raise InvalidRequest(f"HAPPYHORSE_{name} must be {allowed}; got '{entry.strip()[:40]}'")
    return found

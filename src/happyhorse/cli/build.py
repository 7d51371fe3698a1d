"""Builds what commands pass down: settings, database, service, engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from happyhorse.db import Database
    from happyhorse.engines.base import Capabilities, Engine
    from happyhorse.jobs.service import Service
    from happyhorse.model.speedups import Speedups
    from happyhorse.provenance.sign import Signer
    from happyhorse.settings import Settings


def find_settings(
    engine: str | None, data_dir: Path | None, database_url: str | None, storage: str | None = None
) -> Settings:
    """The environment's choices, overruled by the command's; checked."""
    from dataclasses import replace

    from happyhorse.engines.catalog import CATALOG
    from happyhorse.settings import Settings

    found = Settings.from_env()
    found = replace(
        found,
        engine=engine or found.engine,
        data_dir=(data_dir or found.data_dir).absolute(),
        database_url=database_url or found.database_url,
        storage=storage or found.storage,
    )
    if found.engine not in CATALOG:
        raise InvalidRequest(
            f"engine must be one of {', '.join(CATALOG)}; got '{found.engine}'", field="engine"
        )
    found.data_dir.mkdir(parents=True, exist_ok=True)
    return found


def catalog(settings: Settings) -> Mapping[str, Capabilities]:
    """The engines that exist, with the endpoint and the prices that the environment chose. Raises: InvalidRequest."""
    from happyhorse.engines.catalog import CATALOG
    from happyhorse.engines.catalog_hosted import hosted

    chosen = settings.hosted
    found = {**CATALOG, "hosted": hosted(chosen.dialect, chosen.url, chosen.prices)}
    for name, sheet in settings.prices.items():
        if name not in found:
            raise InvalidRequest(
                f"HAPPYHORSE_PRICES must name engines, {', '.join(found)}; got '{name[:40]}'"
            )
        found[name] = priced(found[name], sheet)
    return found


def priced(engine: Capabilities, sheet: Mapping[str, float]) -> Capabilities:
    """The engine at the prices of a sheet, where it has one. Raises: InvalidRequest for a resolution that it does not make."""
    unknown = sorted(set(sheet) - set(engine.price_per_second))
    if unknown:
        known = ", ".join(engine.price_per_second)
        raise InvalidRequest(f"HAPPYHORSE_PRICES must name some of {known}; got '{unknown[0]}'")
    return replace(engine, price_per_second={**engine.price_per_second, **sheet})


def open_database(settings: Settings) -> Database:
    from happyhorse.db import Database, sqlite_url

    return Database.open(settings.database_url or sqlite_url(settings.data_dir))


def open_service(settings: Settings) -> Service:
    from happyhorse.jobs.service import Service

    return Service.open(
        open_database(settings),
        settings.data_dir,
        catalog(settings),
        default_engine=settings.engine,
        retention_s=settings.retention_hours * 3600,
        secret=settings.secret,
        allow_local_urls=settings.allow_local_urls,
        storage=settings.storage,
        jobs_per_key=settings.jobs_per_key,
    )


def open_signer(settings: Settings) -> Signer:
    """Raises: InvalidRequest for a user's own signer that cannot sign."""
    from happyhorse.provenance.process import is_installed
    from happyhorse.provenance.sign import Signer

    if not is_installed():
        return Signer(None)
    from happyhorse.provenance.identity import open_identity

    return Signer(open_identity(settings.data_dir, settings.signer))


def load_engine(name: str, testcard_seconds: float) -> Engine:
    if name == "testcard":
        from happyhorse.engines.testcard import TestcardEngine

        return TestcardEngine(seconds=testcard_seconds)
    if name.startswith("magihuman"):
        from happyhorse.engines.magihuman_load import open_engine
        from happyhorse.engines.rewrite import Rewriter
        from happyhorse.settings import Settings

        settings = Settings.from_env()
        wanted = settings.rewrite
        rewriter = Rewriter(wanted.url, wanted.model, wanted.key) if wanted.url else None
        return open_engine(
            name,
            settings.weights_dir,
            rewriter=rewriter,
            fp8=settings.fp8,
            speedups=load_speedups(settings),
        )
    if name == "hosted":
        return _load_hosted()
    from happyhorse.engines.local import LocalEngine

    return LocalEngine.from_package(name)


def load_speedups(settings: Settings) -> Speedups:
    """Return what HAPPYHORSE_SPEEDUPS turns on; what is compiled is kept from then on."""
    from happyhorse.model.speedups import Speedups

    settings.keep_compiled()
    return Speedups.named(settings.speedups, field="HAPPYHORSE_SPEEDUPS")


def _load_hosted() -> Engine:
    from happyhorse.engines.hosted import HostedEngine
    from happyhorse.settings import Settings

    settings = Settings.from_env()
    return HostedEngine(catalog(settings)["hosted"], hosted_key(settings))


def hosted_key(settings: Settings) -> str:
    """Raises: InvalidRequest when there is none."""
    if settings.hosted.key is None:
        text = f"engine hosted needs HAPPYHORSE_HOSTED_KEY: your own key for the {settings.hosted.dialect} endpoint"
        raise InvalidRequest(text, field="engine")
    return settings.hosted.key

"""Commands for the keys of the service, on its database: a change counts from the next request on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from happyhorse.cli.build import find_settings, open_database
from happyhorse.cli.serve import DatabaseUrl, DataDir
from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from happyhorse.jobs.keys import Key, KeyStore, Limits

keys = typer.Typer(help="Keys of the service.", no_args_is_help=True)
_PerMinute = Annotated[
    int | None, typer.Option(help="Requests that start or change something, a minute.", min=1)
]
_AtOnce = Annotated[int | None, typer.Option(help="Jobs that run at once; more of them wait.", min=1)]
_Spend = Annotated[float | None, typer.Option(help="USD in all.", min=0)]
_DailySpend = Annotated[float | None, typer.Option(help="USD a day (UTC).", min=0)]
_KeyId = Annotated[str, typer.Argument(help="Its id, as in the list.", metavar="ID")]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.", metavar="NAME")],
    scope: Annotated[
        list[str] | None, typer.Option(help="generate, read or admin; several times [generate, read].")
    ] = None,
    requests_per_minute: _PerMinute = None,
    concurrent_jobs: _AtOnce = None,
    spend_limit: _Spend = None,
    daily_spend_limit: _DailySpend = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key and print it, once.

    The last line printed is the key. It is not kept, so it cannot be shown again.
    """
    from happyhorse.jobs.keys import DEFAULT_SCOPES

    made, secret = _key_store(data_dir, database_url).create(
        name,
        scopes=scope or DEFAULT_SCOPES,
        requests_per_minute=requests_per_minute,
        spend_limit_usd=spend_limit,
        daily_spend_limit_usd=daily_spend_limit,
        concurrent_jobs=concurrent_jobs,
    )
    print(f"{made.id}: {made.name}, may {', '.join(made.scopes)}", file=sys.stderr)
    print(secret)


@keys.command("change")
def change_key(
    key_id: _KeyId,
    requests_per_minute: _PerMinute = None,
    concurrent_jobs: _AtOnce = None,
    spend_limit: _Spend = None,
    daily_spend_limit: _DailySpend = None,
    lift: Annotated[
        list[str] | None,
        typer.Option(help="A limit to lift, such as spend-limit; several times.", metavar="NAME"),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Change the limits of a key.

    From its next request on; those not named stay.
    """
    limits = {
        "requests-per-minute": requests_per_minute,
        "concurrent-jobs": concurrent_jobs,
        "spend-limit": spend_limit,
        "daily-spend-limit": daily_spend_limit,
    }
    wanted: dict[str, float | None] = {name: value for name, value in limits.items() if value is not None}
    for name in lift or ():
        if name not in limits or name in wanted:
            text = f"--lift must be one of {', '.join(limits)} that is not set as well; got '{name}'"
            raise InvalidRequest(text, field="lift")
        wanted[name] = None
    if not wanted:
        raise InvalidRequest(f"say what to change: --lift, --{', --'.join(limits)}", field="lift")
    named = {name.replace("-", "_").replace("limit", "limit_usd"): value for name, value in wanted.items()}
    changed = _key_store(data_dir, database_url).change(key_id, **cast("Limits", named))
    print(f"{changed.id}: {', '.join(_limits(changed)) or 'no limits'}")


@keys.command("list")
def list_keys(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """List keys with their limits."""
    for found in _key_store(data_dir, database_url).list():
        state = "revoked" if found.revoked_at else "live"
        limits = f"  ({', '.join(_limits(found))})" if _limits(found) else ""
        print(
            f"{found.id}  {found.prefix}...  {state:<7}  {', '.join(found.scopes):<20}  {found.name}{limits}"
        )


def _limits(key: Key) -> list[str]:
    from happyhorse.jobs.job import MICROS

    told = (
        (key.requests_per_minute, "{} requests a minute", 1),
        (key.concurrent_jobs, "{} jobs at once", 1),
        (key.daily_spend_limit_micros, "{:.2f} USD a day", MICROS),
        (key.spend_limit_micros, "{:.2f} USD in all", MICROS),
    )
    return [
        words.format(value / unit if unit > 1 else value) for value, words, unit in told if value is not None
    ]


@keys.command("revoke")
def revoke_key(
    key_id: _KeyId,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Revoke a key, at once and for good."""
    print(f"{_key_store(data_dir, database_url).revoke(key_id).id} is revoked")


def _key_store(data_dir: Path | None, database_url: str | None) -> KeyStore:
    from happyhorse.jobs.keys import KeyStore

    return KeyStore(open_database(find_settings(None, data_dir, database_url)))

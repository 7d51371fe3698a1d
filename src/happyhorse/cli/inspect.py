"""`inspect`: what a file says of its making, and whether it is still as it was signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.cli import options
from happyhorse.cli.show import print_json, print_rows

if TYPE_CHECKING:
    from happyhorse.provenance.inspect import Report
    from happyhorse.settings import Settings


def inspect(
    file: Annotated[Path, typer.Argument(help="The clip, or any media file.", metavar="FILE")],
    trust_list: Annotated[
        Path | None,
        typer.Option(help="PEM file of trusted authorities, such as C2PA's public list.", metavar="FILE"),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Say how a clip was made, and if it was changed.

    Verifies its C2PA manifest and shows what it and the tags say; exit 1 when it is missing or the file was changed.
    """
    from dataclasses import asdict

    from happyhorse.provenance.inspect import inspect as read
    from happyhorse.settings import Settings

    report = read(file, known_serial=_serial_here(Settings.from_env()), trust_list=trust_list)
    if as_json:
        print_json({**asdict(report), "verdict": report.verdict, "trust": report.trust})
    else:
        _show(report)
    if report.manifest != "intact":
        raise typer.Exit(1)


def _serial_here(settings: Settings) -> str | None:
    from happyhorse.provenance.process import is_installed

    if not is_installed():
        return None
    from happyhorse.provenance.identity import known_serial

    return known_serial(settings.data_dir, settings.signer)


def _show(report: Report) -> None:
    print(report.verdict)
    rows = _manifest_rows(report) if report.signer else []
    print_rows([*rows, *((f"tag {name}", value) for name, value in report.tags.items())])


def _manifest_rows(report: Report) -> list[tuple[str, str]]:
    rows = [
        ("signer", report.trust),
        ("made by", report.generator),
        ("kind", report.source_type.rpartition("/")[2]),
        ("actions", ", ".join(report.actions)),
    ]
    for used in report.ingredients:
        state = {"intact": "signed and intact", "changed": "signed and changed", "none": "unsigned"}
        rows.append(("from", f"{used.title} ({used.relationship}, {state[used.manifest]})"))
    rows += [(name.replace("_", " "), _said(value)) for name, value in report.generation.items()]
    return rows


def _said(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(" ".join(map(str, entry.values())) for entry in value) or "none"
    return str(value) or "none"

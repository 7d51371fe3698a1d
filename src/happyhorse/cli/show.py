"""What commands show: progress while an engine runs, then plans, clips and jobs as lines or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from happyhorse.client import Generation
    from happyhorse.engines.base import Progress
    from happyhorse.engines.plan import Plan
    from happyhorse.request import Output


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal; elsewhere a line at each stage and each tenth of the way."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _Lines().show


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[eta]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task("starting", total=1.0, eta="")

        def show(progress: Progress) -> None:
            bar.update(row, description=_stage(progress), completed=progress.fraction, eta=_eta(progress))

        yield show


class _Lines:
    def __init__(self) -> None:
        self.last: tuple[str, int] | None = None

    def show(self, progress: Progress) -> None:
        now = (progress.stage, int(progress.fraction * 10))
        if now != self.last:
            self.last = now
            print(
                f"{_stage(progress):<16} {progress.fraction:4.0%}  {_eta(progress)}".rstrip(),
                file=sys.stderr,
                flush=True,
            )


def _stage(progress: Progress) -> str:
    steps = f" {progress.step}/{progress.num_steps}" if progress.num_steps > 1 else ""
    return f"{progress.stage}{steps}"


def _eta(progress: Progress) -> str:
    return "" if progress.eta_s is None else f"{progress.eta_s:.0f} s left"


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2).encode(errors="replace").decode())


def print_clip(clip: Output, elapsed_s: float, *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json({**asdict(clip), "elapsed_s": round(elapsed_s, 2)})
        return
    for note in clip.notes:
        print(f"note: {note}", file=sys.stderr)
    base = (
        ""
        if (clip.base_width, clip.base_height) == (clip.width, clip.height)
        else f" from {clip.base_width}x{clip.base_height}"
    )
    print(
        f"{clip.path}: {clip.width}x{clip.height}{base}, {clip.duration_s:g} s, seed {clip.seed}, engine {clip.engine}, "
        f"{clip.size_bytes / 1e6:.1f} MB, made in {elapsed_s:.1f} s"
    )


def print_job(job: Generation, *, as_json: bool) -> None:
    if as_json:
        print_json(job.facts)
        return
    error = job.facts["error"]
    said = f"  {error['code']}: {error['message']}" if error else f"  {job.url}" if job.url else ""
    print(f"{job.id}  {job.status:<9} {job.percent:5.1f}%  {job.cost_usd:.3f} USD{said}")


def print_plan(decided: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json({**decided.to_dict(), "digest": decided.digest()})
        return
    base = f"{decided.base_width}x{decided.base_height}"
    tokens = decided.tokens
    rows = [
        (
            "engine",
            f"{decided.engine}, weights {decided.weights_id}, {decided.num_steps} steps of {decided.sampler}",
        ),
        ("mode", decided.mode),
        (
            "picture",
            f"{decided.width}x{decided.height} ({decided.resolution}, {decided.ratio}), drawn at {base}",
        ),
        ("length", f"{decided.duration_s:g} s, {decided.num_frames} frames at {decided.fps} a second"),
        ("sound", {"make": "made", "retain": "kept from the video", "remove": "none"}[decided.sound]),
        ("language", decided.language),
        ("seed", f"{decided.seed}{' (drawn)' if decided.seed_was_drawn else ''}"),
    ]
    if decided.latent is not None:
        grid = f"{decided.latent.frames}x{decided.latent.height}x{decided.latent.width} latents"
        parts = (
            f"{tokens.video} video, {tokens.audio} audio, {tokens.text} text, {tokens.conditions} conditions"
        )
        rows.append(("sequence", f"{tokens.total} tokens: {parts}; {grid}"))
    rows += [
        ("time", f"about {decided.estimated_seconds:g} s"),
        ("memory", f"about {decided.peak_memory_bytes / 1e9:.1f} GB"),
        ("price", f"{decided.price_usd:.3f} USD for {decided.billed_seconds:g} s by the published sheet"),
    ]
    rows += [("says", f"{line.text} ({line.language}, {line.seconds:g} s)") for line in decided.lines]
    for bound in decided.bindings:
        images = f" {', '.join(map(str, bound.images))}" if bound.images else ""
        rows.append(("binds", f"{bound.name} -> {bound.role.replace('_', ' ')}{images}"))
    rows += [("note", note) for note in decided.notes]
    rows += [(found.severity, f"{found.message}; {found.fix}") for found in decided.findings]
    _print_rows(rows)


_STYLES = {"note": "yellow", "warning": "yellow", "error": "bold red", "info": "dim"}


def _print_rows(rows: list[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, style=_STYLES.get(name, "bold cyan")), Text(value, overflow="fold"))
    Console().print(table)

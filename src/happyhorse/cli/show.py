"""What commands show: progress while an engine runs, then plans, clips and jobs as lines or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from happyhorse.cli.flags import in_flags
from happyhorse.cli.memory import memory_rows

if TYPE_CHECKING:
    from pathlib import Path

    from happyhorse.client import Generation
    from happyhorse.engines.base import Progress
    from happyhorse.request import Output


_LISTED = 60


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

    facts = {**asdict(clip), "elapsed_s": round(elapsed_s, 2)}
    if as_json:
        print_json(facts)
        return
    _closing_line(facts, clip.path, f"made in {elapsed_s:.1f} s")


def print_download(job: Generation, path: Path, *, as_json: bool) -> None:
    """A clip that a server made and that now lies at `path`."""
    if as_json:
        print_json({**job.facts, "path": str(path)})
        return
    _closing_line(job.facts["output"], str(path), f"{job.cost_usd:.3f} USD")


def _closing_line(output: Mapping[str, Any], path: str, end: str) -> None:
    for note in output["notes"]:
        print(f"note: {in_flags(note)}", file=sys.stderr)
    size, base = (f"{output[f'{of}width']}x{output[f'{of}height']}" for of in ("", "base_"))
    print(
        f"{path}: {size}{'' if base == size else f' from {base}'}, {output['duration_s']:g} s, seed {output['seed']}, "
        f"engine {output['engine']}, {output['size_bytes'] / 1e6:.1f} MB, {end}"
    )


def print_job(job: Generation, *, as_json: bool) -> None:
    if as_json:
        print_json(job.facts)
        return
    error = job.facts["error"]
    said = f"  {error['code']}: {error['message']}" if error else f"  {job.url}" if job.url else ""
    print(f"{job.id}  {job.status:<9} {job.percent:5.1f}%  {job.cost_usd:.3f} USD{said}")


def print_listed(job: Generation) -> None:
    """One line of many: the prompt tells a person which clip it is."""
    from datetime import datetime

    at = datetime.fromisoformat(job.facts["created_at"]).astimezone()
    prompt = " ".join(job.facts["request"].get("prompt", "").split())
    shown = prompt if len(prompt) <= _LISTED else f"{prompt[: _LISTED - 3]}..."
    print(f"{job.id}  {job.status:<9}  {at:%Y-%m-%d %H:%M}  {shown}".rstrip())


def print_plan(plan: Mapping[str, Any], *, as_json: bool) -> None:
    """Show a plan as `Plan.to_dict` or a server gives it; with `gpus`, the memory plans of `cli.memory`, where there are any."""
    if as_json:
        print_json(plan)
        return
    rows = [*_what(plan), *_cost(plan)]
    rows += [
        ("says", f"{line['text']} ({line['language']}, {line['seconds']:g} s)") for line in plan["lines"]
    ]
    for bound in plan["bindings"]:
        images = f" {', '.join(map(str, bound['images']))}" if bound["images"] else ""
        rows.append(("binds", f"{bound['name']} -> {bound['role'].replace('_', ' ')}{images}"))
    rows += [("note", in_flags(note)) for note in plan["notes"]]
    rows += [
        (found["severity"], f"{found['message']}; {in_flags(found['fix'])}") for found in plan["findings"]
    ]
    print_rows(rows)


def _what(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    network = f", weights {plan['weights_id']}, {plan['num_steps']} steps of {plan['sampler']}"
    base = f", drawn at {plan['base_width']}x{plan['base_height']}"
    by_network = plan["latent"] is not None
    elsewhere = ", made by another server" if plan["engine"] == "hosted" else ", no network"
    return [
        ("engine", f"{plan['engine']}{network if by_network else elsewhere}"),
        ("mode", plan["mode"]),
        (
            "picture",
            f"{plan['width']}x{plan['height']} ({plan['resolution']}, {plan['ratio']}){base if by_network else ''}",
        ),
        ("length", f"{plan['duration_s']:g} s, {plan['num_frames']} frames at {plan['fps']} a second"),
        ("sound", _sound(plan)),
        ("language", plan["language"]),
        ("seed", f"{plan['seed']}{' (drawn)' if plan['seed_was_drawn'] else ''}"),
    ]


def _sound(plan: Mapping[str, Any]) -> str:
    voice = plan.get("voice")  # a server says nothing of the files it was given
    if voice is None:
        return {"make": "made", "retain": "kept from the video", "remove": "none"}[plan["sound"]]
    track = f"voice track of {voice['duration_s']:.1f} s"
    return (
        f"none; the {track} moves the lips"
        if plan["sound"] == "remove"
        else f"the {track}, which moves the lips"
    )


def _cost(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    sheet = "this server's" if plan["engine"] == "hosted" else "the published"
    rows = [
        ("time", f"about {plan['estimated_seconds']:g} s"),
        *(memory_rows(plan.get("gpus", ())) or _memory(plan)),
        ("price", f"{plan['price_usd']:.3f} USD for {plan['billed_seconds']:g} s by {sheet} sheet"),
    ]
    grid, tokens = plan["latent"], plan["tokens"]
    if grid is not None:
        kinds = ", ".join(f"{tokens[kind]} {kind}" for kind in ("video", "audio", "text", "conditions"))
        latents = f"{grid['frames']}x{grid['height']}x{grid['width']} latents"
        rows.insert(0, ("sequence", f"{tokens['total']} tokens: {kinds}; {latents}"))
    return rows


def _memory(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("memory", f"about {plan['peak_memory_bytes'] / 1e9:.1f} GB")]


_STYLES = {"note": "yellow", "warning": "yellow", "error": "bold red", "info": "dim"}


def print_rows(rows: list[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:  # whatever reads it folds and cuts as it likes
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            print(f"{name:<{width}}  {value}".rstrip())
        return
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, style=_STYLES.get(name, "bold cyan")), Text(value, overflow="fold"))
    console.print(table)

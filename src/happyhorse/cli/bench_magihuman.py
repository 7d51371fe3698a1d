"""`bench magihuman`: the arithmetic of each stage and the least time it takes; with --random-weights, the time it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from happyhorse.bench.magihuman import Kept, StageTiming

TERA = 1e12


def bench_magihuman(  # noqa: PLR0913, PLR0917  one parameter for each flag
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="Measure on this machine, with networks of random values."),
    ] = False,
    preset: Annotated[
        str | None, typer.Option(help="15b or tiny [15b on a GPU, else tiny].", metavar="NAME")
    ] = None,
    size: Annotated[str, typer.Option(help="256p, 540p or 1080p.", metavar="NAME")] = "256p",
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
        from happyhorse.settings import Settings

        Settings.from_env().keep_compiled()
        named = Speedups.named(filter(None, speedups.split(",")), field="speedups")
        on = named.only(recordable=torch.cuda.is_available() and not streamed)
        kept = Kept(fp8=fp8 or fp8_products, streamed=streamed, multiply_fp8=fp8_products, speedups=on)
        _measure(preset, size, duration, kept, as_json=as_json)
    else:
        _count(duration)


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


def _count(duration: int) -> None:
    from happyhorse.engines.catalog import CATALOG
    from happyhorse.engines.plan import plan
    from happyhorse.engines.roofline import GPUS, work_of
    from happyhorse.request import parse_request

    columns = [(gpu, fp8) for fp8 in (False, True) for gpu in GPUS]
    titles = " ".join(f"{gpu.name + ' fp8' * fp8:>8}" for gpu, fp8 in columns)
    print(f"{'engine':<15} {'drawn at':<10} {'stage':<7} {'tokens':>7} {'passes':>6} {'TFLOP':>8} {titles}")
    for name in ("magihuman", "magihuman-base"):
        for fields in ({"draft": True}, {"resolution": "720P"}, {"resolution": "1080P"}):
            request = parse_request(
                {"prompt": "A cat.", "seed": 1, "duration": duration, "engine": name, **fields}
            )
            decided = plan(request, CATALOG[name], media={})
            last = decided.refine
            size = f"{last.width}x{last.height}" if last else f"{decided.base_width}x{decided.base_height}"
            stages = work_of(decided, CATALOG[name])
            for stage in stages:
                seconds = " ".join(f"{stage.seconds(gpu, fp8=fp8):>8.2f}" for gpu, fp8 in columns)
                tokens = f"{stage.tokens:>7} {stage.passes:>6}" if stage.tokens else " " * 14
                print(f"{name:<15} {size:<10} {stage.stage:<7} {tokens} {stage.flop / TERA:>8.0f} {seconds}")
            in_all = " ".join(f"{sum(s.seconds(gpu, fp8=fp8) for s in stages):>8.2f}" for gpu, fp8 in columns)
            print(f"{'':<15} {size:<10} {'in all':<30} {in_all}")

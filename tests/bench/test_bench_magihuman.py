"""The bench of the 15 B engine at its tiny preset: what is timed is what is counted."""

import json
import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from happyhorse.bench import magihuman
from happyhorse.bench.magihuman import BENCH_PRESETS, TINY_PRESET, Kept, bench_magihuman
from happyhorse.errors import OutOfMemory
from happyhorse.model.config import PRESETS
from happyhorse.model.fp8 import Fp8Linear
from happyhorse.model.fp8_products import Fp8Product
from happyhorse.model.random_weights import random_network
from happyhorse.model.speedups import Speedups
from happyhorse.model.stream import StreamedBlock
from happyhorse.model.transformer import GroupedLinear, Transformer

TINY, CPU = BENCH_PRESETS[TINY_PRESET], torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "stages"), [("256p", ["base", "decode"]), ("540p", ["base", "refine", "decode"])]
)
def test_each_stage_does_the_arithmetic_that_is_counted(size, stages, monkeypatch):
    counted, true = [], magihuman._seconds

    def counting(run, device):
        with FlopCounterMode(display=False) as counter:
            seconds = true(run, device)
        counted.append(counter.get_total_flops())
        return seconds

    monkeypatch.setattr(magihuman, "_seconds", counting)
    timings = bench_magihuman(TINY, size, duration_s=3, device=CPU)
    assert [timing.work.stage for timing in timings] == stages
    for timing, flop in zip(timings, counted, strict=True):
        assert flop == pytest.approx(timing.work.flop, rel=0.1)
        assert timing.seconds > 0
        assert timing.flop_per_s == timing.work.flop / timing.seconds
        assert timing.peak_bytes > 100e6


def test_a_random_network_is_stored_as_the_published_ones_are():
    random = random_network(TINY.config, device=CPU, fp8=False)
    kinds = {name: tensor.dtype for name, tensor in random.state_dict().items()}
    assert kinds["block.layers.0.attention.linear_qkv.weight"] == torch.bfloat16
    assert kinds["block.layers.0.attention.q_norm.weight"] == torch.float32
    assert kinds["final_linear_video.weight"] == torch.float32
    plain = Transformer(TINY.config)
    assert {name: t.shape for name, t in random.state_dict().items()} == {
        name: t.shape for name, t in plain.state_dict().items()
    }
    torch.testing.assert_close(random.adapter.rope.bands, plain.adapter.rope.bands)
    assert all(tensor.isfinite().all() for tensor in random.state_dict().values())
    small = random_network(TINY.config, device=CPU, fp8=True)
    assert not any(isinstance(module, GroupedLinear) for module in small.modules())
    assert sum(isinstance(module, Fp8Linear) for module in small.modules()) == 4 * TINY.config.num_layers


def test_the_full_preset_is_the_published_network():
    full = BENCH_PRESETS["15b"]
    assert full.config is PRESETS["15b"]
    assert full.decode_work == 1
    assert full.capabilities.base_sizes["16:9"] == (448, 256)


def test_a_stage_that_does_not_fit_is_named(monkeypatch):
    def full(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has ...")

    monkeypatch.setattr(Transformer, "forward", full)
    with pytest.raises(OutOfMemory, match=r"stage base does not fit on this device: CUDA out of memory$"):
        bench_magihuman(TINY, "256p", duration_s=3, device=CPU)


def command(*arguments):
    code = "import sys; from happyhorse.cli.app import main; main(sys.argv[1:])"
    line = [sys.executable, "-c", code, "bench", "magihuman", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "kept",
    [
        Kept(fp8=True, multiply_fp8=True),
        pytest.param(Kept(streamed=True), marks=pytest.mark.slow),
        pytest.param(Kept(fp8=True, multiply_fp8=True, streamed=True), marks=pytest.mark.slow),
    ],
)
def test_networks_are_timed_as_they_are_kept(kept, monkeypatch):
    seen = set()
    for kind in (Fp8Product, StreamedBlock):
        true = kind.forward
        monkeypatch.setattr(kind, "forward", lambda *a, kind=kind, true=true: (seen.add(kind), true(*a))[1])
    bench_magihuman(TINY, "256p", duration_s=3, device=CPU, kept=kept)
    assert (StreamedBlock in seen, Fp8Product in seen) == (kept.streamed, kept.multiply_fp8)


def test_what_is_on_is_said():
    assert str(Kept()) == "bf16"
    assert str(Kept(fp8=True, speedups=Speedups(compile=True, flex=True))) == "fp8, compile, flex"


@pytest.mark.slow
def test_the_command_measures_or_counts():
    done = command(
        "--random-weights", "--duration", "3", "--fp8", "--streamed", "--speedups", "flex, graphs", "--json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["preset"], found["weights"], found["size"]) == ("tiny", "fp8, streamed, flex", "256p")
    assert [stage["stage"] for stage in found["stages"]] == ["base", "decode"]
    assert found["seconds"] == pytest.approx(sum(stage["seconds"] for stage in found["stages"]))
    table = command()
    assert "1920x1088" in table.stdout
    assert "magihuman-base" in table.stdout
    counted = json.loads(command("--json", "--duration", "5").stdout)["clips"]
    assert [clip["drawn_at"] for clip in counted] == 2 * ["448x256", "896x512", "1920x1088"]
    seconds = [sum(stage["least_seconds"]["H200"] for stage in clip["stages"]) for clip in counted[:3]]
    assert seconds == pytest.approx([1.20, 4.72, 27.12], abs=0.01)
    assert "--fp8-products is for --random-weights" in command("--fp8-products").stderr
    assert "--size is for --random-weights" in command("--size", "540p").stderr


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="the full preset runs here")
def test_what_cannot_be_measured_is_refused():
    assert "preset 15b needs an NVIDIA GPU" in command("--random-weights", "--preset", "15b").stderr
    assert (
        "size must be one of 256p, 540p, 1080p; got '4k'"
        in command("--random-weights", "--size", "4k").stderr
    )

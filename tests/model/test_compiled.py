"""Compiled layers and flex attention: the plain network's values however it is kept, and nothing compiled twice on one machine."""

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from functools import partial
from pathlib import Path

import pytest
import torch
from compiled_run import TWO_PROCESSES, WAYS
from strategies import TINY, random_transformer

from happyhorse.errors import EngineError, InvalidRequest
from happyhorse.model import compiled
from happyhorse.model.compiled import CompiledAttention, CompiledMLP, compile_layers
from happyhorse.model.fp8_products import can_multiply
from happyhorse.model.speedups import Speedups

KINDS = 7
"""Of compiled functions: two of projecting, two of merging, three of the MLP."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where torch keeps what it compiled, for all runs of this module."""
    return tmp_path_factory.mktemp("compiled")


def run(folder: Path, names: str, way: str, device: str) -> dict[str, float]:
    line = [sys.executable, Path(__file__).with_name("compiled_run.py"), names, way, device]
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder), "PYTHONPATH": tests}
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


on_a_gpu = pytest.mark.gpu
DEVICES = ["cpu", pytest.param("cuda", marks=on_a_gpu)]
# On the CPU what a harder way includes is left to it, and only "resident" above is compiled to the end.
PLACES = [
    *(pytest.param(way, "cpu", id=way) for way in sorted(WAYS.keys() - {"resident", "fp8 products"})),
    *(pytest.param(way, "cuda", marks=on_a_gpu, id=f"{way}, GPU") for way in sorted(WAYS.keys() - {TWO_PROCESSES})),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("device", DEVICES)
def test_a_second_process_compiles_nothing(folder: Path, device: str) -> None:
    first, second = (run(folder / device, "compile,flex", "resident", device) for _ in range(2))
    assert first["error"] == second["error"] < 0.02
    assert 0.3 * first["planned"] < first["peak"] < first["planned"]  # so the plain way may be planned for
    assert first["compiled"] >= KINDS
    assert (first["found"], second["compiled"]) == (0, 0)
    assert second["found"] == first["compiled"] == first["graphs"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("way", "device"), PLACES)
def test_compiled_layers_are_the_plain_ones_however_a_network_is_kept(
    folder: Path, way: str, device: str
) -> None:
    if device == "cuda" and "products" in way and not can_multiply(torch.device(device)):
        pytest.skip("products in FP8 need a GPU of compute capability 9.0 or newer")
    found = run(folder / device, "compile", way, device)
    # Rounding to eight bits turns the slightest difference into a step: it is to be no worse than it is, not the same.
    assert found["error"] < 0.02 + 1.1 * found["plain_error"]
    assert (found["plain_error"] > 0) is ("products" in way)
    assert found["plain_error"] < 0.15


def test_every_attention_and_mlp_is_compiled_and_a_network_goes_at_once() -> None:
    model = random_transformer(TINY)
    compile_layers(model)
    for layer in model.block.layers:
        assert isinstance(layer.attention, CompiledAttention)
        assert isinstance(layer.mlp, CompiledMLP)
    left = weakref.ref(model)
    gc.disable()  # nothing holds itself in a circle, so 30 GB need not wait for it
    del model, layer
    gc.enable()
    assert left() is None


def test_what_cannot_be_compiled_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_a_compiler(*_: object, **__: object) -> object:
        def run(*_: object) -> object:
            raise torch._dynamo.exc.TorchDynamoException("Cannot find a working triton installation\nmore")

        return run

    monkeypatch.setattr(torch, "compile", without_a_compiler)
    fast = compiled.compiled.__wrapped__(torch.add)
    with pytest.raises(
        EngineError,
        match=r"could not be compiled: Cannot find a working triton installation; they also run without HAPPYHORSE_SPEEDUPS$",
    ):
        fast(torch.ones(1), torch.ones(1))


def test_each_thread_compiles_as_many_kinds_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's next job may run in another thread, where torch's own settings are its defaults again."""

    def kind(x: torch.Tensor, name: str) -> torch.Tensor:
        return x + len(name)

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    fast, found = compiled.compiled.__wrapped__(kind), []

    def work() -> None:
        found.extend(float(fast(torch.ones(1), "n" * count)) for count in range(12))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == 2 * [1.0 + count for count in range(12)]


def test_speedups_are_turned_on_by_name() -> None:
    assert Speedups.named(["flex", "compile"], field="speedups") == Speedups(compile=True, flex=True)
    assert str(Speedups.named(["graphs", "compile"], field="speedups")) == "compile, graphs"
    assert str(Speedups.named([], field="speedups")) == "none"
    with pytest.raises(InvalidRequest, match=r"^speedups must be some of compile, flex, graphs; got 'fast'$"):
        Speedups.named(["fast"], field="speedups")

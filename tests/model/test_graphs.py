"""A clip's passes replayed: the values of plain passes, each its own tensors, recorded once and only where that pays."""

from collections.abc import Callable

import pytest
import torch
from strategies import TINY, random_sequence, random_transformer

from happyhorse.bench.magihuman import BENCH_PRESETS
from happyhorse.model import graphs, magihuman
from happyhorse.model.fp8_products import can_multiply, multiply_in_fp8
from happyhorse.model.graphs import StepGraph
from happyhorse.model.magihuman import Conditions, make_base
from happyhorse.model.pack import Latents
from happyhorse.model.random_weights import random_network
from happyhorse.model.sampler import Guidance, SamplerSettings, gaussian
from happyhorse.model.speedups import Speedups
from happyhorse.model.transformer import Transformer
from happyhorse.shapes import LatentShape

PLAIN = TINY.from_dict({**TINY.to_dict(), "num_roles": 0, "num_phonemes": 0})


class Recorder:
    """Records as a GPU does: the same tensors are read and filled at every replay."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, run: Callable[[], Latents]) -> tuple[Callable[[], object], Latents]:
        self.recorded += 1
        found = Latents(*map(torch.zeros_like, run()))  # a recording computes nothing yet

        def replay() -> None:
            self.replayed += 1
            for kept, new in zip(found, run(), strict=True):
                kept.copy_(new)

        return replay, found


def test_every_pass_of_a_clip_has_its_own_values() -> None:
    model, record = random_transformer(PLAIN), Recorder()
    run = StepGraph(model, record)
    # One prompt and one size, as in a clip: the noisy rows differ.
    first = random_sequence(PLAIN, seed=0)
    given = [
        graphs.replace(first, video=torch.randn_like(first.video), audio=torch.randn_like(first.audio))
        for _ in range(4)
    ]
    with torch.inference_mode():
        found = [run(sequence) for sequence in given]
        for sequence, latents in zip(given, found, strict=True):
            expected = model(sequence)
            assert torch.equal(latents.video, expected.video)
            assert torch.equal(latents.audio, expected.audio)
    assert (record.recorded, record.replayed) == (1, 3)


def test_long_sequences_run_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MAX_ROWS", 10)
    record = Recorder()
    run = StepGraph(random_transformer(PLAIN), record)
    with torch.inference_mode():
        for _ in range(3):
            run(random_sequence(PLAIN))
    assert record.recorded == 0


def small_clip(model: Transformer, *, recorded: bool, guidance: Guidance | None = None) -> Latents:
    """What four steps make of one seed, where the network is."""
    device, model.recorded = next(model.parameters()).device, recorded
    drawn = torch.Generator().manual_seed(1)
    text, other = torch.randn(2, 1, 5, model.config.text_channels, generator=drawn).to(device)
    noise = gaussian(torch.Generator(device).manual_seed(3))
    settings = SamplerSettings("unipc", 4, 5.0, guidance)
    grid, conditions = LatentShape(3, 4, 6), Conditions(text, other)
    with torch.inference_mode():
        return make_base(model, settings, conditions, grid=grid, num_audio=9, noise=noise)


@pytest.mark.parametrize(
    ("guidance", "recorded"),
    [(None, 1), (Guidance(video=5.0, audio=5.0, video_late=2.0, late_from_t=500), 0)],
)
def test_a_clip_is_the_same_recorded(
    guidance: Guidance | None, recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Recorder()
    monkeypatch.setattr(magihuman, "record_on_gpu", record)
    model = random_transformer(PLAIN)
    plain, replayed = (small_clip(model, recorded=each, guidance=guidance) for each in (False, True))
    assert torch.equal(plain.video, replayed.video)
    assert torch.equal(plain.audio, replayed.audio)
    assert record.recorded == recorded


@pytest.mark.parametrize("kept", ["bf16", "fp8 weights", "fp8 products"])
@pytest.mark.parametrize("where", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_the_tiny_preset_is_the_same_recorded_however_it_is_kept(
    where: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = torch.device(where)
    if kept == "fp8 products" and not can_multiply(device):
        pytest.skip("products in FP8 need a GPU of compute capability 9.0 or newer")
    if where == "cpu":
        monkeypatch.setattr(magihuman, "record_on_gpu", Recorder())
    torch.manual_seed(0)
    model = random_network(BENCH_PRESETS["tiny"].config, device=device, fp8=kept != "bf16")
    if kept == "fp8 products":
        multiply_in_fp8(model)
    plain, replayed = (small_clip(model, recorded=each) for each in (False, True))
    for name in ("video", "audio"):
        one, other = getattr(plain, name), getattr(replayed, name)
        assert float(one.std()) > 0.1
        assert float((one - other).square().mean().sqrt() / one.std()) < 1e-3


def test_what_moves_is_not_recorded() -> None:
    model = random_transformer(PLAIN)
    Speedups(graphs=True, flex=True).only(recordable=False).apply(model)
    assert not model.recorded
    Speedups(graphs=True).only(recordable=True).apply(model)
    assert model.recorded

"""What a clip of the 15 B engine takes on a GPU: weights as counted, activations as measured, refusals with figures."""

from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from happyhorse.engines.catalog import MAGIHUMAN
from happyhorse.engines.memory import (
    CONTEXT_BYTES,
    DECODE_BYTES_PER_PIXEL,
    GB,
    NETWORK_BYTES,
    NETWORK_FP8_BYTES,
    TURBO_VAE_BYTES,
    bytes_per_token,
    plan_memory,
)
from happyhorse.engines.plan import plan
from happyhorse.errors import OutOfMemory
from happyhorse.model import transformer
from happyhorse.model.config import PRESETS
from happyhorse.model.pack import pack
from happyhorse.model.transformer import GroupedLinear, Transformer, cast_block_linears
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig
from happyhorse.request import parse_request


def peak_bytes(run):
    """The most memory torch held at one time beyond what was there before."""
    run()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    total = top = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        top = max(top, total)
    return top


def clip(resolution):
    """A plan of 5 s; without a resolution a draft."""
    fields = {"draft": True} if resolution is None else {"resolution": resolution}
    return plan(parse_request({"prompt": "A cat.", "seed": 1, **fields}), MAGIHUMAN, media={})


@pytest.mark.slow
def test_weights_are_counted_from_the_network_itself():
    with torch.device("meta"):
        model = Transformer(PRESETS["15b"])
    cast_block_linears(model, torch.bfloat16)
    stored = sum(tensor.nbytes for tensor in model.state_dict().values())
    matrices = sum(m.weight.nbytes for m in model.modules() if isinstance(m, GroupedLinear))
    assert stored == pytest.approx(NETWORK_BYTES, rel=0.001)
    assert stored - matrices // 2 == pytest.approx(NETWORK_FP8_BYTES, rel=0.005)
    with torch.device("meta"):
        turbo = TurboVae(TurboVaeConfig())
    assert 2 * sum(p.numel() for p in turbo.parameters()) == pytest.approx(TURBO_VAE_BYTES, rel=0.01)


@pytest.mark.parametrize(("hidden", "frames"), [(256, 4), (512, 6)])
def test_planned_activations_are_those_measured(hidden, frames, monkeypatch):
    monkeypatch.setattr(transformer, "SCORES_IN_CACHE", 0)  # the fused attention, as on a GPU
    config = replace(
        PRESETS["15b"],
        num_layers=3,
        hidden=hidden,
        head_dim=64,
        num_heads=hidden // 64,
        num_kv_heads=hidden // 128,
        modality_layers=(0,),
        gelu7_layers=(0,),
        text_channels=64,
    )
    model = Transformer(config).eval()
    cast_block_linears(model, torch.bfloat16)
    sequence = pack(
        config,
        video=torch.randn(1, 48, frames, 16, 16),
        audio=torch.randn(1, 20, 64),
        text=torch.randn(1, 40, 64),
    )
    with torch.inference_mode():
        measured = peak_bytes(lambda: model(sequence))
    assert measured == pytest.approx(bytes_per_token(config) * sum(sequence.sizes), rel=0.1)


@pytest.mark.slow
def test_planned_decoding_is_that_measured():
    vae = TurboVae(TurboVaeConfig(widths=(64, 32, 16, 8))).eval()  # an eighth of the published widths
    vae.decoder.to(torch.bfloat16)
    latent = torch.randn(1, 48, 16, 4, 4)

    def run():
        with torch.inference_mode():
            for _ in vae.decode_stream(latent):
                pass

    assert 8 * peak_bytes(run) == pytest.approx(DECODE_BYTES_PER_PIXEL * 64 * 64, rel=0.1)


@pytest.mark.parametrize(
    ("free_gb", "resolution", "strategy"),
    [
        (139, None, "resident"),
        (48, None, "swapped"),
        (36, None, "swapped"),
        (24, None, "fp8"),
        (24, "480P", "fp8"),
        (24, "720P", "fp8"),
        (139, "1080P", "resident"),
        (80, "1080P", "swapped"),
        (48, "1080P", "fp8"),
    ],
)
def test_parts_are_arranged_as_the_gpu_allows(free_gb, resolution, strategy):
    made = plan_memory(clip(resolution), free_gb * GB)
    assert made.strategy == strategy
    assert made.peak_bytes <= free_gb * GB
    assert made.peak_bytes > CONTEXT_BYTES + max(stage.total_bytes for stage in made.stages) - 1


@pytest.mark.parametrize(("free_gb", "resolution"), [(8, None), (24, "1080P")])
def test_what_does_not_fit_is_refused_with_figures(free_gb, resolution):
    with pytest.raises(
        OutOfMemory, match=rf"magihuman needs \d+\.\d GB .*weights \d+\.\d.* and {free_gb}\.0 GB are free"
    ):
        plan_memory(clip(resolution), free_gb * GB)

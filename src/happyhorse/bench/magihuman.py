"""How long each stage of engine magihuman takes, with networks of random values: neither speed nor memory knows the difference.

A stage is loaded, run once to warm up (one forward, one window of pictures), timed, and let go, as when parts are swapped. The
prompt's encoder, the first frame's and the sound's decoder are not timed: they take a few percent of a clip.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from happyhorse.engines.base import Capabilities
from happyhorse.engines.catalog_magihuman import MAGIHUMAN
from happyhorse.engines.footprint import MLP_ROWS, least_strips
from happyhorse.engines.memory import drawn_size
from happyhorse.engines.plan import Plan, plan
from happyhorse.engines.roofline import StageWork, work_of
from happyhorse.errors import InvalidRequest, OutOfMemory
from happyhorse.model.config import PRESETS, ModelConfig
from happyhorse.model.fp8_products import can_multiply, multiply_in_fp8
from happyhorse.model.magihuman import Conditions, make_base, refine
from happyhorse.model.pack import Latents
from happyhorse.model.parts import is_out_of_memory
from happyhorse.model.random_weights import open_random, random_network
from happyhorse.model.release import Network, networks_of
from happyhorse.model.sampler import gaussian
from happyhorse.model.slices import slice_mlps
from happyhorse.model.speedups import PLAIN, Speedups
from happyhorse.model.stream import Slots, load_on_host, stream_blocks
from happyhorse.model.transformer import Transformer
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig
from happyhorse.request import parse_request


@dataclass(frozen=True)
class Preset:
    """A size of the whole engine. `decode_work`: TurboVAE's arithmetic a pixel, of the published one's."""

    config: ModelConfig
    capabilities: Capabilities
    turbo: TurboVaeConfig
    decode_work: float = 1.0


@dataclass(frozen=True)
class Kept:
    """How networks are kept, and how they compute."""

    fp8: bool = False
    streamed: bool = False
    multiply_fp8: bool = False
    speedups: Speedups = PLAIN

    def __str__(self) -> str:
        words = (
            "fp8" if self.fp8 else "bf16",
            "fp8 products" * self.multiply_fp8,
            "streamed" * self.streamed,
            str(self.speedups) if self.speedups != PLAIN else "",
        )
        return ", ".join(filter(None, words))


@dataclass(frozen=True)
class StageTiming:
    """One stage as measured. On a GPU the peak is that of its allocator in this stage, else that of the process so far."""

    work: StageWork
    seconds: float
    peak_bytes: int

    @property
    def flop_per_s(self) -> float:
        return self.work.flop / self.seconds


_TINY = replace(
    PRESETS["15b"],
    num_layers=8,
    hidden=128,
    head_dim=32,
    num_heads=4,
    num_kv_heads=2,
    text_channels=96,
    modality_layers=(0, 7),
    gelu7_layers=(0,),
)
_TINY_SIZES = {"540p_sr": (256, 128), "1080p_sr": (384, 224)}
_TINY_CAPABILITIES = replace(
    MAGIHUMAN,
    base_sizes={"16:9": (128, 64)},
    refinements={
        name: replace(second, sizes={"16:9": _TINY_SIZES[second.network]})
        for name, second in MAGIHUMAN.refinements.items()
    },
)
TINY_PRESET, FULL_PRESET = "tiny", "15b"
BENCH_PRESETS: Mapping[str, Preset] = {
    TINY_PRESET: Preset(_TINY, _TINY_CAPABILITIES, TurboVaeConfig(widths=(32, 16, 8, 4)), 1 / 250),
    FULL_PRESET: Preset(PRESETS["15b"], MAGIHUMAN, TurboVaeConfig()),
}
# The picture's height that a size is known by -> what a request says to get it.
SIZES: Mapping[str, Mapping[str, object]] = {
    "256p": {"draft": True},
    "540p": {"resolution": "480P"},
    "1080p": {"resolution": "1080P"},
}


def bench_magihuman(
    preset: Preset,
    size: str,
    *,
    duration_s: int,
    device: torch.device,
    kept: Kept = Kept(),
    on_stage: Callable[[StageTiming], None] = lambda _: None,
) -> list[StageTiming]:
    """Time the stages of one clip at a size of SIZES.

    Raises: OutOfMemory naming the stage that does not fit; InvalidRequest for FP8 products on a GPU that has none.
    """
    if kept.multiply_fp8 and not can_multiply(device):
        raise InvalidRequest("products in FP8 need a GPU of compute capability 9.0 or newer")
    request = parse_request({"prompt": "A cat.", "seed": 1, "duration": duration_s, **SIZES[size]})
    decided = plan(request, preset.capabilities, media={})
    runs = _Runs(preset, decided, kept, device=device)
    timings = []
    for work in work_of(decided, preset.capabilities, preset.config):
        timing = _timed(runs, work, device)
        timings.append(timing)
        on_stage(timing)
    return timings


def _timed(runs: _Runs, work: StageWork, device: torch.device) -> StageTiming:
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        with torch.inference_mode():
            warm_up, run = getattr(runs, work.stage)()
            warm_up()
            seconds = _seconds(run, device)
    except RuntimeError as err:
        if not is_out_of_memory(err):
            raise
        said = str(err).split(". ")[0]
        raise OutOfMemory(f"stage {work.stage} does not fit on this device: {said}") from err
    if work.stage == "decode":
        work = replace(work, flop=work.flop * runs.preset.decode_work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return StageTiming(work, seconds, torch.cuda.max_memory_allocated(device) if on_gpu else peak)


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    """How long a run takes; a GPU works on when a call has returned."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


Runs = tuple[Callable[[], object], Callable[[], object]]


class _Runs:
    """Each method is a stage by its name: it loads the part, and returns what warms it up and what is timed."""

    def __init__(self, preset: Preset, decided: Plan, kept: Kept, *, device: torch.device) -> None:
        self.preset, self.decided, self.kept, self.device = preset, decided, kept, device
        self.noise = gaussian(torch.Generator(device).manual_seed(decided.seed))
        self.networks = networks_of(preset.config)
        text = self._draw(1, decided.tokens.text, preset.config.text_channels)
        self.conditions = Conditions(text)

    def base(self) -> Runs:
        network, grid = self.networks["distill"], self.decided.latent
        assert grid is not None
        model = self._network(network)

        def run(num_steps: int) -> object:
            return make_base(
                model,
                replace(network.sampler, num_steps=num_steps),
                self.conditions,
                grid=grid,
                num_audio=self.decided.tokens.audio,
                noise=self.noise,
            )

        return lambda: run(1), lambda: run(self.decided.num_steps)

    def refine(self) -> Runs:
        second, base = self.decided.refine, self.decided.latent
        assert second is not None
        assert base is not None
        network: Network = self.networks[second.network]
        model = self._network(network)
        channels = network.config.latent_channels
        start = Latents(
            self._draw(1, channels, base.frames, base.height, base.width),
            self._draw(1, self.decided.tokens.audio, network.config.audio_channels),
        )

        def run(num_steps: int) -> object:
            sampler = replace(network.sampler, num_steps=num_steps)
            return refine(model, sampler, start, self.conditions, grid=second.latent, noise=self.noise)

        return lambda: run(1), lambda: run(second.num_steps)

    def decode(self) -> Runs:
        last = self.decided.refine.latent if self.decided.refine else self.decided.latent
        assert last is not None
        vae = TurboVae(self.preset.turbo).eval()
        vae.decoder.to(torch.bfloat16)
        vae.to(self.device)
        latent = self._draw(1, self.preset.turbo.latent_channels, last.frames, last.height, last.width)
        strips = least_strips(drawn_size(self.decided))

        def run() -> None:
            for _ in vae.decode_stream(latent, strips=strips):
                pass

        return lambda: next(vae.decode_stream(latent, strips=strips)), run

    def _network(self, network: Network) -> Transformer:
        if not self.kept.streamed:
            model = random_network(network.config, device=self.device, fp8=self.kept.fp8)
            slice_mlps(model, MLP_ROWS)
            if self.kept.multiply_fp8:
                multiply_in_fp8(model)
            self.kept.speedups.apply(model)
            return model
        model, tensors = open_random(network.config, device=self.device, fp8=self.kept.fp8)
        load_on_host(model, tensors, device=self.device, pinned=self.device.type == "cuda")
        slice_mlps(model, MLP_ROWS)
        if self.kept.multiply_fp8:
            multiply_in_fp8(model, streamed=True)
        self.kept.speedups.apply(model)
        stream_blocks(model, Slots.of(model, self.device))
        return model

    def _draw(self, *shape: int) -> torch.Tensor:
        return self.noise(torch.empty(shape, device=self.device))

"""How long one forward takes, ours beside the plain reference: what `happyhorse bench forward` prints."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from happyhorse.model.config import PRESETS, ModelConfig
from happyhorse.model.pack import PackedSequence, Phonemes, pack
from happyhorse.model.reference import reference_forward
from happyhorse.model.transformer import Transformer
from happyhorse.shapes import LatentShape


@dataclass(frozen=True)
class ForwardTiming:
    """Best seconds of several runs of one shape, in float32 and, for ours, with bf16 products as `generate` runs."""

    shape: str
    num_rows: int
    ours_s: float
    ours_bf16_s: float
    reference_s: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is, both in float32."""
        return self.reference_s / self.ours_s


def bench_forward(*, repeats: int = 4) -> list[ForwardTiming]:
    """Time both forwards on the CPU: nano at 5 seconds of 224x128 with speech, and a shape like the golden cases'."""
    nano = PRESETS["nano"]
    golden = replace(
        PRESETS["15b"],
        num_layers=6,
        hidden=128,
        head_dim=32,
        num_heads=4,
        num_kv_heads=2,
        text_channels=96,
        modality_layers=(0, 1, 4, 5),
        gelu7_layers=(0, 1),
    )
    small = _sequence(golden, LatentShape(3, 4, 6), num_text=7, num_phonemes=0)
    clip = _sequence(nano, LatentShape(32, 8, 14), num_text=32, num_phonemes=60)
    return [
        _time("golden-like, 3x4x6 latents", golden, small, repeats=repeats * 10),
        _time("nano, 5 s at 224x128", nano, clip, repeats=repeats),
    ]


def _sequence(config: ModelConfig, grid: LatentShape, *, num_text: int, num_phonemes: int) -> PackedSequence:
    speech = Phonemes(torch.ones(1, num_phonemes, dtype=torch.long), *torch.rand(2, 1, num_phonemes).unbind())
    return pack(
        config,
        video=torch.randn(1, config.latent_channels, grid.frames, grid.height, grid.width),
        audio=torch.randn(1, grid.audio().num_latents, config.audio_channels),
        text=torch.randn(1, num_text, config.text_channels),
        phonemes=speech if num_phonemes else None,
    )


def _time(shape: str, config: ModelConfig, sequence: PackedSequence, *, repeats: int) -> ForwardTiming:
    model = Transformer(config).eval()
    weights = model.state_dict()

    def with_bf16_products() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(sequence)

    with torch.inference_mode():
        ours, rounded, reference = _best_of(
            [
                lambda: model(sequence),
                with_bf16_products,
                lambda: reference_forward(config, weights, sequence),
            ],
            repeats=repeats,
        )
    return ForwardTiming(shape, sum(sequence.sizes), ours, rounded, reference)


def _best_of(runs: list[Callable[[], object]], *, repeats: int) -> list[float]:
    """Return each run's best seconds. They take turns, so that a busy machine slows all of them alike."""
    best = [float("inf")] * len(runs)
    for turn in range(repeats + 1):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            if turn > 0:  # the first turn compiles kernels
                best[i] = min(best[i], time.perf_counter() - start)
    return best

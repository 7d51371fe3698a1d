"""What each stage of the 15 B engine takes on a GPU, and how its parts are arranged so that all stages fit.

    resident   every part stays on the GPU
    swapped    the part of one stage at a time
    fp8        the same, networks in eight bits, the text encoder on the CPU

Weights are counted from the published files, activations a token or pixel from the code that makes them: the MLP holds the
widest tensors. Torch-free, so that a plan can be made anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from happyhorse.engines.passes import Refine, Tokens
from happyhorse.engines.plan import Plan
from happyhorse.errors import OutOfMemory
from happyhorse.model.config import PRESETS, ModelConfig

Strategy = Literal["resident", "swapped", "fp8"]
STRATEGIES: tuple[Strategy, ...] = ("resident", "swapped", "fp8")
GB = 1_000_000_000

NETWORK_BYTES = 30_640_000_000
NETWORK_FP8_BYTES = 15_380_000_000
TEXT_ENCODER_BYTES = 18_000_000_000
WAN_VAE_BYTES = 1_410_000_000
AUDIO_VAE_BYTES = 625_000_000
TURBO_VAE_BYTES = 215_000_000
CONTEXT_BYTES = 700_000_000
"""CUDA itself, and what the allocator cannot use."""
DECODE_BYTES_PER_PIXEL = 19_000
"""TurboVAE in bf16, a pixel of one picture: a window of nine latent frames is 36 pictures at up to 128 channels."""
ENCODE_BYTES_PER_PIXEL = 2_000
"""Wan 2.2's encoder in bf16, a pixel of the first frame."""


@dataclass(frozen=True)
class StageMemory:
    """One stage on the GPU."""

    stage: str
    weights_bytes: int
    activation_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.activation_bytes


@dataclass(frozen=True)
class MemoryPlan:
    """How the parts are arranged, what each stage then takes, and the most at one time."""

    strategy: Strategy
    stages: tuple[StageMemory, ...]
    peak_bytes: int

    @property
    def worst(self) -> StageMemory:
        """The stage that takes the most by itself."""
        return max(self.stages, key=lambda stage: stage.total_bytes)

    def figures(self, free_bytes: int) -> str:
        """Say what was planned."""
        worst = self.worst
        return (
            f"{self.strategy}, at most {self.peak_bytes / GB:.1f} GB of {free_bytes / GB:.1f} GB free (stage {worst.stage}: "
            f"weights {worst.weights_bytes / GB:.1f}, activations {worst.activation_bytes / GB:.1f})"
        )


def bytes_per_token(config: ModelConfig) -> int:
    """Peak bytes of activations for each row of the sequence: inside the gated MLP, in its published precision.

    Three residuals in float32 (the first, the layer's, the one after attention) and the rotary table; the widened row in
    bf16 and in float32; of the gated half, two float32 steps of the activation beside its result.
    """
    wide = config.mlp_width(config.num_layers - 1)
    rotary = 8 * 3 * (config.head_dim // 8)
    return 3 * 4 * config.hidden + rotary + (2 + 4) * 2 * wide + 3 * 4 * wide


def stages_of(
    base: Tokens,
    refine: Refine | None,
    size: tuple[int, int],
    *,
    fp8: bool = False,
    config: ModelConfig = PRESETS["15b"],
) -> tuple[StageMemory, ...]:
    """Return every stage of one clip; `size` is (width, height) of the pictures that are decoded."""
    network, each = (NETWORK_FP8_BYTES if fp8 else NETWORK_BYTES), bytes_per_token(config)
    text = StageMemory("text", 0 if fp8 else TEXT_ENCODER_BYTES, 0 if fp8 else base.text * each // 8)
    passes = [StageMemory("base", network, base.total * each)]
    if refine is not None:
        passes.append(StageMemory("refine", network, refine.tokens.total * each))
    decode = StageMemory(
        "decode", TURBO_VAE_BYTES + AUDIO_VAE_BYTES, DECODE_BYTES_PER_PIXEL * size[0] * size[1]
    )
    return (
        text,
        StageMemory("first frame", WAN_VAE_BYTES, ENCODE_BYTES_PER_PIXEL * size[0] * size[1]),
        *passes,
        decode,
    )


def plan_memory(plan: Plan, free_bytes: int, *, leaner_than: Strategy | None = None) -> MemoryPlan:
    """Choose the first strategy under which a clip fits, of those after `leaner_than`.

    Raises: OutOfMemory saying what the leanest needs, in which stage, and what is free.
    """
    drawn = (plan.refine.width, plan.refine.height) if plan.refine else (plan.base_width, plan.base_height)
    left = STRATEGIES[STRATEGIES.index(leaner_than) + 1 :] if leaner_than else STRATEGIES
    if not left:
        raise OutOfMemory(f"no arrangement is leaner than {leaner_than}")
    for strategy in left:
        stages = stages_of(plan.tokens, plan.refine, drawn, fp8=strategy == "fp8")
        found = MemoryPlan(strategy, stages, CONTEXT_BYTES + _peak(stages, strategy))
        if found.peak_bytes <= free_bytes:
            return found
    worst = found.worst
    raise OutOfMemory(
        f"{plan.engine} needs {found.peak_bytes / GB:.1f} GB of GPU memory for {plan.duration_s:g} s drawn at "
        f"{drawn[0]}x{drawn[1]} (stage {worst.stage}: weights {worst.weights_bytes / GB:.1f}, activations "
        f"{worst.activation_bytes / GB:.1f}) and {free_bytes / GB:.1f} GB are free"
    )


def _peak(stages: tuple[StageMemory, ...], strategy: Strategy) -> int:
    if strategy == "resident":
        return sum(stage.weights_bytes for stage in stages) + max(stage.activation_bytes for stage in stages)
    return max(stage.total_bytes for stage in stages)

"""How long each stage of the 15 B engine takes at best: its arithmetic, or the weights it reads, over what a GPU can do. Torch-free.

Two operations a multiply-add. Linear layers: every row passes one modality's weights. Attention: 4 L^2 D a full layer; in
a windowed layer a picture row meets only the near frames and all other rows. Source: specs/model.md 1.2, 1.9, 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from happyhorse.engines.base import Capabilities
from happyhorse.engines.footprint import TURBO_VAE_BYTES, network_bytes
from happyhorse.engines.passes import Tokens
from happyhorse.engines.plan import Plan
from happyhorse.model.config import FULL_ATTENTION, PRESETS, ModelConfig
from happyhorse.shapes import LatentShape

DECODE_FLOP_PER_PIXEL = 4.56e6
"""TurboVAE, for each pixel of the clip, overlaps of windows included: 65, 262 and 1,191 TFLOP at the three sizes."""


@dataclass(frozen=True)
class Gpu:
    """What one GPU does each second. `flop_per_s` is what long bf16 products reach, and FP8 ones are taken to reach twice that."""

    name: str
    flop_per_s: float
    bytes_per_s: float


# 790 TFLOP/s were measured on an H200, 80 % of its data sheet's; an H100 has the same arithmetic and slower memory.
GPUS = (Gpu("H100", 790e12, 3.35e12), Gpu("H200", 790e12, 4.8e12))


@dataclass(frozen=True)
class StageWork:
    """One stage of a clip: how many passes of the network, the arithmetic of all of them, and the weights that one pass reads.

    `linear_flop` is the part of the arithmetic that may be done in FP8.
    """

    stage: str
    tokens: int
    passes: int
    flop: float
    linear_flop: float
    weights_bytes: int

    def seconds(self, gpu: Gpu, *, fp8: bool = False) -> float:
        """Least time on a GPU, with linear layers in bf16 or in FP8."""
        computing = (self.flop - self.linear_flop * (0.5 if fp8 else 0)) / gpu.flop_per_s
        reading = (
            self.passes * self.weights_bytes * (0.5 if fp8 and self.linear_flop else 1) / gpu.bytes_per_s
        )
        return max(computing, reading)


def work_of(
    plan: Plan, capabilities: Capabilities, config: ModelConfig = PRESETS["15b"]
) -> tuple[StageWork, ...]:
    """Return the stages of a plan that take noticeable arithmetic."""
    assert plan.latent is not None
    guided = 2 if capabilities.negative_prompt is not None else 1
    passes = plan.num_steps * guided
    stages = [_network("base", config, plan.tokens, plan.latent, passes, full_layers=config.num_layers)]
    width, height = plan.base_width, plan.base_height
    if plan.refine is not None:
        second = plan.refine
        layers = range(config.num_layers)
        full = (
            sum(layer in FULL_ATTENTION for layer in layers) if second.network == "1080p_sr" else len(layers)
        )
        stages.append(
            _network("refine", config, second.tokens, second.latent, second.num_steps, full_layers=full)
        )
        width, height = second.width, second.height
    decode = DECODE_FLOP_PER_PIXEL * width * height * plan.num_frames
    return (*stages, StageWork("decode", 0, 1, decode, 0, TURBO_VAE_BYTES))


def _network(
    stage: str, config: ModelConfig, tokens: Tokens, grid: LatentShape, passes: int, *, full_layers: int
) -> StageWork:
    linear = 2 * tokens.total * weights_per_row(config)
    one = forward_flop(config, tokens, grid, full_layers=full_layers)
    return StageWork(
        stage, tokens.total, passes, passes * one, passes * linear, network_bytes(config, fp8=False)
    )


def forward_flop(config: ModelConfig, tokens: Tokens, grid: LatentShape, *, full_layers: int) -> float:
    """Arithmetic of one forward pass, with `full_layers` layers of full attention and the others windowed."""
    rows, width = tokens.total, config.num_heads * config.head_dim
    windowed = (config.num_layers - full_layers) * _pairs(grid, rows, config.frame_receptive_field)
    attention = 4 * width * (full_layers * rows**2 + windowed)
    return 2 * rows * weights_per_row(config) + attention


def weights_per_row(config: ModelConfig) -> int:
    """Multiply-adds of one row in all layers."""
    width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    attention = config.hidden * (2 * width + 2 * kv_width + config.num_heads)
    gated = (3 if layer not in config.gelu7_layers else 2 for layer in range(config.num_layers))
    mlp = sum(n * config.hidden * config.mlp_width(layer) for layer, n in enumerate(gated))
    return config.num_layers * attention + mlp


def _pairs(grid: LatentShape, rows: int, window: int) -> int:
    """Pairs of rows that see each other in a windowed layer."""
    others = rows - grid.num_tokens
    near = sum(min(grid.frames, frame + window + 1) - max(0, frame - window) for frame in range(grid.frames))
    return near * grid.tokens_per_frame**2 + 2 * others * grid.num_tokens + others**2

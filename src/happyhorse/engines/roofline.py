"""How long each stage of the 15 B engine takes at best: its arithmetic over what the GPU can do. Torch-free.

Two operations a multiply-add. Linear layers: every row passes one modality's weights. Attention: 4 L^2 D a full layer; in
a windowed layer a picture row meets only the near frames and all other rows. Source: specs/model.md 1.2, 1.9, 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from happyhorse.engines.base import Capabilities
from happyhorse.engines.passes import Tokens
from happyhorse.engines.plan import Plan
from happyhorse.model.config import FULL_ATTENTION, PRESETS, ModelConfig
from happyhorse.shapes import LatentShape

DECODE_FLOP_PER_PIXEL = 4.56e6
"""TurboVAE, for each pixel of the clip, overlaps of windows included: 65, 262 and 1,191 TFLOP at the three sizes."""


@dataclass(frozen=True)
class StageWork:
    """One stage of a clip: how many passes of the network, and the arithmetic of all of them."""

    stage: str
    tokens: int
    passes: int
    flop: float

    def seconds(self, flop_per_s: float) -> float:
        """Least time on a GPU that does `flop_per_s`."""
        return self.flop / flop_per_s


def work_of(
    plan: Plan, capabilities: Capabilities, config: ModelConfig = PRESETS["15b"]
) -> tuple[StageWork, ...]:
    """Return the stages of a plan that take noticeable arithmetic."""
    assert plan.latent is not None
    guided = 2 if capabilities.negative_prompt is not None else 1
    passes = plan.num_steps * guided
    one = forward_flop(config, plan.tokens, plan.latent, full_layers=config.num_layers)
    stages = [StageWork("base", plan.tokens.total, passes, passes * one)]
    width, height = plan.base_width, plan.base_height
    if plan.refine is not None:
        second = plan.refine
        layers = range(config.num_layers)
        full = (
            sum(layer in FULL_ATTENTION for layer in layers) if second.network == "1080p_sr" else len(layers)
        )
        one = forward_flop(config, second.tokens, second.latent, full_layers=full)
        stages.append(StageWork("refine", second.tokens.total, second.num_steps, second.num_steps * one))
        width, height = second.width, second.height
    decode = DECODE_FLOP_PER_PIXEL * width * height * plan.num_frames
    return (*stages, StageWork("decode", 0, 1, decode))


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

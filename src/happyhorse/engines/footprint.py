"""How many bytes the weights and the tensors of each stage of the 15 B engine take on a GPU. Torch-free.

Weights are counted from the sizes of the network, or taken from the published files; tensors, for each row or pixel, from the
code that makes them. Tests hold both against what torch allocates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from happyhorse.engines.passes import Tokens
from happyhorse.model.config import ModelConfig

GB = 1_000_000_000
TEXT_ENCODER_BYTES = 18_000_000_000
WAN_VAE_BYTES = 1_410_000_000
AUDIO_VAE_BYTES = 625_000_000
TURBO_VAE_BYTES = 215_000_000
CONTEXT_BYTES = 700_000_000
"""CUDA itself, and what the allocator cannot use."""

MLP_ROWS = 8192
"""Rows that pass an MLP at a time: enough to fill a GPU, and few enough that they do not decide what fits."""
ENCODE_BYTES_PER_PIXEL = 2_000
"""Wan 2.2's encoder in bf16, a pixel of the first frame."""

DRAW_BYTES_PER_PIXEL = 12_600
"""TurboVAE's wide stages in bf16, a pixel of one picture: a window of nine latent frames is 36 pictures of up to 128 channels."""
CONVOLVE_BYTES_PER_PIXEL = 4_800
"""What a library of kernels takes beside them for a convolution: its input and output once more, in the kernel's own order.
oneDNN takes about this on a CPU with AMX, and 60 % of it on one without; cuDNN's share is not measured."""
PICTURE_BYTES_PER_PIXEL = 1_000
"""What is there beside them: their input, the pictures of this window and of the one before."""
NARROW_BYTES_PER_PIXEL = 2_700
"""Its first stages, which always draw the whole picture; then scaling a window's pictures to the size asked for."""
STRIP_REACH = 9
"""How far the wide stages see, in pixels of STRIP_PIXELS."""
STRIP_PIXELS = 8
MAX_STRIPS = 8
WIDEST_VALUES_PER_PIXEL = 38 * 128 // 4
"""Of the largest tensor that TurboVAE makes: 36 pictures with one more at either end, 128 channels, at half the size."""
LARGEST_TENSOR = 2**31
"""Values that GPU kernels number with 32 bits; for more, libraries have few kernels, and slow ones."""

COMPILED_BYTES = 50_000_000
"""Code of compiled kernels. Not measured on a GPU; their tensors take less than those of the plain way, which is planned for."""
RECORDING_BYTES = 100_000_000
"""Workspaces of matrix products on the stream that records, two of 32 MiB on a Hopper, which stay; and a graph itself.
Not measured on a GPU."""
GRAPH_ROWS = 8192
"""Longer sequences are not recorded."""
FLEX_BLOCK = 128
FLEX_GRIDS_KEPT = 8


def layer_bytes(config: ModelConfig, layer: int, *, fp8: bool) -> int:
    """Weights of one layer: matrices bf16, or FP8 with a scale for each of their rows; norms float32."""
    groups = 3 if layer in config.modality_layers else 1
    width, wide = config.num_heads * config.head_dim, config.mlp_width(layer)
    up = wide if layer in config.gelu7_layers else 2 * wide
    shapes = ((_projected(config), config.hidden), (config.hidden, width), (up, config.hidden), (config.hidden, wide))  # fmt: skip
    matrices = sum(rows * columns for rows, columns in shapes)
    scales = 4 * sum(rows for rows, _ in shapes) if fp8 else 0
    norms = 4 * (2 * config.hidden + 2 * config.head_dim)
    return groups * (matrices * (1 if fp8 else 2) + scales + norms)


def outer_bytes(config: ModelConfig) -> int:
    """Weights before and after the layers, float32."""
    channels = config.video_channels + config.audio_channels
    adapter = config.hidden * (channels + config.text_channels + 3) + config.head_dim // 8
    return 4 * (adapter + config.hidden * (channels + 2))


def network_bytes(config: ModelConfig, *, fp8: bool) -> int:
    """All weights of a network."""
    layers = (layer_bytes(config, layer, fp8=fp8) for layer in range(config.num_layers))
    return outer_bytes(config) + sum(layers)


@dataclass(frozen=True)
class NetworkBytes:
    """What a network takes when it is loaded: its matrices as they are stored, bf16 as published; or all of them in FP8."""

    as_stored: int
    fp8: int

    @classmethod
    def published(cls, config: ModelConfig) -> NetworkBytes:
        """Of a network that is not here."""
        return cls(network_bytes(config, fp8=False), network_bytes(config, fp8=True))

    @property
    def is_fp8(self) -> bool:
        """Whether all of its matrices are stored in eight bits."""
        return self.as_stored == self.fp8

    def count(self, *, fp8: bool) -> int:
        return self.fp8 if fp8 else self.as_stored


def slots_bytes(config: ModelConfig, *, fp8: bool) -> int:
    """Two places for the largest layer, from which streamed layers run."""
    return 2 * max(layer_bytes(config, layer, fp8=fp8) for layer in range(config.num_layers))


def activation_bytes(
    config: ModelConfig,
    rows: int,
    *,
    ranks: int = 1,
    mlp_rows: int = MLP_ROWS,
    fp8_products: bool = False,
) -> int:
    """The most that one forward over `rows` rows of the sequence holds beside weights, on each of `ranks` GPUs.

    Everywhere: residuals in float32 (the first; the layer's; in the MLP the one after attention), the rotary table. In
    attention: the projection in bf16, and while queries are normalised and turned three copies of them in float32, or, at its end,
    queries and keys, three copies of what was seen, and what the last product takes; with
    several ranks, what is sent and received too, which is let go late. In the MLP: what slices have given in bf16; of the slice at hand the
    widened rows in bf16 and float32, and of their gated half two float32 steps beside its result.
    """
    share = math.ceil(rows / ranks)
    width, wide = config.num_heads * config.head_dim, config.mlp_width(config.num_layers - 1)
    rotary = 8 * 3 * (config.head_dim // 8)
    exchanged = 9 * width if ranks > 1 else 0
    # Of FP8 products: what is given, divided by its scales in float32, then in eight bits.
    product = max(5 * width, width + 2 * config.hidden) if fp8_products else 2 * config.hidden
    merging = 2 * (width + config.num_kv_heads * config.head_dim) + 6 * width + product
    mixing = 2 * _projected(config) + max(12 * width, merging)
    attention = share * (8 * config.hidden + rotary + mixing + exchanged)
    count = math.ceil(share / mlp_rows)
    given = 2 * config.hidden if count > 1 else 0
    mlp = share * (12 * config.hidden + rotary + given) + math.ceil(share / count) * 24 * wide
    if ranks == 1:
        return max(attention, mlp)
    whole = rows * (4 * config.hidden + rotary)
    return max(whole + attention, whole + mlp, rows * 13 * config.hidden)


def graph_bytes(config: ModelConfig, tokens: Tokens) -> int:
    """What a recorded pass holds beside the tensors of a pass, which its own pool keeps while it can be replayed.

    In float32 the rows it reads, the rows it fills, and the copy of these that is given on.
    """
    return 3 * 4 * (tokens.video * config.video_channels + tokens.audio * config.audio_channels)


def flex_bytes(rows: int) -> int:
    """Lists of the blocks of rows that see each other: of every grid kept two in int32; 32 bytes a pair while one is made."""
    blocks = math.ceil(rows / FLEX_BLOCK)
    return FLEX_GRIDS_KEPT * 2 * 4 * (blocks + 1) * blocks + 32 * blocks**2


def decode_bytes(size: tuple[int, int], *, strips: int = 1) -> int:
    """TurboVAE's tensors for pictures of `size` (width, height), drawn in so many strips across the longer side."""
    wide = (DRAW_BYTES_PER_PIXEL + CONVOLVE_BYTES_PER_PIXEL) * _share(size, strips)
    per_pixel = max(NARROW_BYTES_PER_PIXEL, PICTURE_BYTES_PER_PIXEL + wide)
    return math.ceil(per_pixel * size[0] * size[1])


def least_strips(size: tuple[int, int]) -> int:
    """Into how many strips pictures of `size` must be cut at least, for no tensor to be too large for the kernels."""
    values = WIDEST_VALUES_PER_PIXEL * size[0] * size[1]
    fitting = (n for n in range(1, MAX_STRIPS) if values * _share(size, n) < LARGEST_TENSOR)
    return next(fitting, MAX_STRIPS)


def _share(size: tuple[int, int], strips: int) -> float:
    """How much of the picture is in the widest of so many strips, with what it overlaps."""
    length = max(size) // STRIP_PIXELS
    reach = STRIP_REACH * min(2, strips - 1)
    return min(1.0, (math.ceil(length / strips) + reach) / length)


def _projected(config: ModelConfig) -> int:
    """Width of queries, keys, values and gates together."""
    return (config.num_heads + 2 * config.num_kv_heads) * config.head_dim + config.num_heads

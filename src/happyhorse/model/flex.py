"""Windowed attention as one fused kernel: torch's flex attention, told by blocks of rows which pairs see each other.

Without being compiled, flex attention would hold all scores at once, so it always is. A block of 128 queries and 128 keys
is skipped, taken whole, or, at the edges of frames, asked pair by pair. What a grid's blocks are is found once.

Axes: b batch, h heads, hk key heads, n packed rows, k head width.
"""

from functools import lru_cache, partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from happyhorse.model.compiled import compiled
from happyhorse.model.transformer import Attention, Transformer
from happyhorse.shapes import LatentShape

BLOCK = 128
"""Rows a side of a block: what the kernel takes at a time."""


def use_flex(model: Transformer) -> None:
    """Let the windowed layers of a network attend by flex attention."""
    for module in model.modules():
        if isinstance(module, Attention):
            module.attend_windowed = attend_flexibly


def attend_flexibly(
    q: Float[Tensor, "b h n k"],
    k: Float[Tensor, "b hk n k"],
    v: Float[Tensor, "b hk n k"],
    *,
    grid: LatentShape,
    window: int,
) -> Float[Tensor, "b h n k"]:
    """As `transformer.attend_windowed`."""
    blocks = window_blocks(grid, q.shape[2], window, q.device)
    mixed = compiled(flex_attention)(q, k, v, block_mask=blocks, enable_gqa=q.shape[1] != k.shape[1])
    assert isinstance(mixed, Tensor)
    return mixed


@lru_cache(maxsize=8)
def window_blocks(grid: LatentShape, num_rows: int, window: int, device: torch.device) -> BlockMask:
    """Return which blocks of `num_rows` rows, the first of them a video of `grid`, see each other."""
    # Kept from call to call, also for a call that records gradients. A tensor, so that another grid compiles nothing anew.
    with torch.inference_mode(mode=False):
        facts = torch.tensor([grid.num_tokens, grid.tokens_per_frame, window], device=device)
        starts = torch.arange(0, num_rows, BLOCK, device=device)
        some, all_ = _seen(starts[:, None], starts[None], facts, num_rows)
        partial_count, partial_index = _ordered(some & ~all_)
        full_count, full_index = _ordered(all_)
        return BlockMask.from_kv_blocks(
            partial_count,
            partial_index,
            full_count,
            full_index,
            BLOCK_SIZE=BLOCK,
            mask_mod=partial(_sees, facts),
            seq_lengths=(num_rows, num_rows),
        )


def _sees(facts: Tensor, _batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Whether a row sees another: pictures see those near in time, sound and words see and are seen by everything."""
    num_video, per_frame, window = facts[0], facts[1], facts[2]
    near = (query // per_frame - key // per_frame).abs() <= window
    return (query >= num_video) | (key >= num_video) | near


def _seen(
    queries: Int[Tensor, "n 1"], keys: Int[Tensor, "1 n"], facts: Int[Tensor, "3"], num_rows: int
) -> tuple[Bool[Tensor, "n n"], Bool[Tensor, "n n"]]:
    """Of blocks that start at these rows: whether any pair of a block sees each other, and whether all do."""
    num_video, per_frame, window = facts.unbind()
    last_query, last_key = queries + BLOCK - 1, keys + BLOCK - 1
    frames = [torch.minimum(row, num_video - 1) // per_frame for row in (queries, last_query, keys, last_key)]
    first_q, last_q, first_k, last_k = frames
    beside_video = (last_query >= num_video) | (last_key >= num_video)
    only_beside = (queries >= num_video) | (keys >= num_video)
    near = torch.maximum(first_k - last_q, first_q - last_k) <= window
    far = torch.maximum(last_k - first_q, last_q - first_k) > window
    whole = (last_query < num_rows) & (last_key < num_rows)
    return beside_video | near, (only_beside | ~far) & whole


def _ordered(blocks: Bool[Tensor, "n n"]) -> tuple[Int[Tensor, "1 1 n"], Int[Tensor, "1 1 n n"]]:
    """Return for each row of blocks how many there are, and their numbers, these first."""
    order = blocks.int().argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(dim=-1, dtype=torch.int32)[None, None], order.int()[None, None]

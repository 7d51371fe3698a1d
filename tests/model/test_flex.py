"""Which blocks of rows a windowed layer looks at: all that hold a pair that sees each other, and no pair but those."""

import pytest
import torch

from happyhorse.model.flex import BLOCK, window_blocks
from happyhorse.shapes import LatentShape


def dense(grid: LatentShape, num_rows: int, window: int) -> torch.Tensor:
    """Every pair, from the definition."""
    row = torch.arange(num_rows)
    frame = torch.where(row < grid.num_tokens, row // grid.tokens_per_frame, -1)
    near = (frame[:, None] - frame[None]).abs() <= window
    return near | (frame[:, None] < 0) | (frame[None] < 0)


@pytest.mark.parametrize(
    ("grid", "others", "window"),
    [
        (LatentShape(7, 8, 6), 9, 1),  # frames smaller than a block
        (LatentShape(9, 16, 20), 40, 2),
        (LatentShape(5, 16, 32), 55, 0),  # frames of a block each
        (LatentShape(6, 30, 34), 130, 1),  # frames of about two blocks
        (LatentShape(4, 16, 32), 128, 11),  # a window wider than the clip, rows that fill their blocks
    ],
)
def test_blocks_are_those_of_the_pairs(grid: LatentShape, others: int, window: int) -> None:
    num_rows = grid.num_tokens + others
    wanted = dense(grid, num_rows, window)
    blocks = window_blocks(grid, num_rows, window, torch.device("cpu"))
    edges = range(0, num_rows, BLOCK)
    shown = torch.zeros(2, len(edges), len(edges), dtype=torch.bool)  # partly and fully
    for kind, (count, index) in enumerate(
        [(blocks.kv_num_blocks, blocks.kv_indices), (blocks.full_kv_num_blocks, blocks.full_kv_indices)]
    ):
        for i in range(len(edges)):
            shown[kind, i, index[0, 0, i, : count[0, 0, i]].long()] = True
    for i, query in enumerate(edges):
        for j, key in enumerate(edges):
            block = wanted[query : query + BLOCK, key : key + BLOCK]
            full = bool(block.all()) and block.shape == (BLOCK, BLOCK)
            assert (bool(shown[0, i, j]), bool(shown[1, i, j])) == (bool(block.any()) and not full, full)
    row = torch.arange(num_rows)
    sees = blocks.mask_mod(torch.tensor(0), torch.tensor(0), row[:, None], row[None])
    assert torch.equal(sees, wanted)


def test_a_grids_blocks_are_found_once() -> None:
    device = torch.device("cpu")
    first, again = (window_blocks(LatentShape(7, 8, 6), 93, 1, device) for _ in range(2))
    assert first is again
    assert window_blocks(LatentShape(7, 8, 6), 94, 1, device) is not first

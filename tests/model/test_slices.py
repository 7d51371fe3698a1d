"""An MLP in slices: the same values, wherever slices cut the modalities."""

from dataclasses import replace

import pytest
import torch
from strategies import TINY, random_sequence, random_transformer

from happyhorse.model.fp8 import quantize_blocks
from happyhorse.model.slices import SlicedMLP, slice_mlps

CONFIG = replace(TINY, modality_layers=(0, 2), num_roles=0, num_phonemes=0)


@pytest.mark.parametrize("rows_at_once", [1, 3, 5, 7, 1000])
@pytest.mark.parametrize("fp8", [False, True])
def test_slices_give_what_the_whole_gives(rows_at_once: int, fp8: bool) -> None:
    whole, sliced = random_transformer(CONFIG), random_transformer(CONFIG)
    for model in (whole, sliced):
        if fp8:
            quantize_blocks(model)
    slice_mlps(sliced, rows_at_once)
    assert sum(isinstance(module, SlicedMLP) for module in sliced.modules()) == CONFIG.num_layers
    sequence = random_sequence(CONFIG, batch=2)
    widths, up = [], sliced.block.layers[1].mlp.mlp.up_gate_proj
    up.register_forward_hook(lambda _, given, __: widths.append(given[0].shape[1]))
    with torch.inference_mode():
        expected, found = whole(sequence), sliced(sequence)
    tolerance = (0.02 if fp8 else 1e-5) * float(expected.video.std())
    torch.testing.assert_close(found.video, expected.video, rtol=0, atol=tolerance)
    torch.testing.assert_close(found.audio, expected.audio, rtol=0, atol=tolerance)
    assert sum(widths) == sum(sequence.sizes)
    assert max(widths) <= rows_at_once
    assert max(widths) - min(widths) <= 1

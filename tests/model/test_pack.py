"""Rows and coordinates: round trips, order, and where every kind of row stands."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import TINY, random_sequence

from happyhorse.model.config import PRESETS
from happyhorse.model.pack import REFERENCE, SOURCE, TARGET, Phonemes, pack, patchify, unpack, unpatchify
from happyhorse.model.rope import positions_of, text_coords
from happyhorse.shapes import LatentShape

grids = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


def _to_output_order(rows: torch.Tensor) -> torch.Tensor:
    """Reorder the features of input rows (channel-major) as the heads emit them (patch-major)."""
    return rows.unflatten(-1, (-1, 4)).transpose(-1, -2).flatten(-2)


@settings(max_examples=30, deadline=None)
@given(grid=grids, channels=st.integers(1, 5), batch=st.integers(1, 3))
def test_unpatchify_undoes_patchify_up_to_the_published_feature_order(
    grid: tuple[int, int, int], channels: int, batch: int
) -> None:
    t, h, w = grid
    latent = torch.randn(batch, channels, t, 2 * h, 2 * w)
    rows = patchify(latent)
    assert rows.shape == (batch, t * h * w, 4 * channels)
    assert torch.equal(unpatchify(_to_output_order(rows), grid=LatentShape(t, 2 * h, 2 * w)), latent)


def test_input_features_are_channel_major_and_output_features_patch_major() -> None:
    latent = torch.arange(8.0).reshape(1, 2, 1, 2, 2)
    assert patchify(latent).flatten().tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert unpatchify(torch.arange(8.0).reshape(1, 1, 8), grid=LatentShape(1, 2, 2)).flatten().tolist() == [
        0,
        2,
        4,
        6,
        1,
        3,
        5,
        7,
    ]


@settings(max_examples=20, deadline=None)
@given(grid=grids, num_audio=st.integers(1, 6), with_conditions=st.booleans())
def test_unpack_undoes_pack(grid: tuple[int, int, int], num_audio: int, with_conditions: bool) -> None:
    t, h, w = grid
    video, audio = torch.randn(2, 4, t, 2 * h, 2 * w), torch.randn(2, num_audio, 6)
    conditions = (
        {"references": [torch.randn(2, 4, 1, 4, 2)], "source": torch.randn_like(video)}
        if with_conditions
        else {}
    )
    packed = pack(TINY, video=video, audio=audio, text=torch.randn(2, 3, 10), **conditions)
    back = unpack(_to_output_order(packed.video), packed.audio, grid=packed.grid)
    assert torch.equal(back.video, video)
    assert torch.equal(back.audio, audio)


def test_every_row_stands_where_it_happens() -> None:
    config = PRESETS["nano"]
    speech = Phonemes(torch.tensor([[5, 0]]), torch.tensor([[0.5, 0.0]]), torch.zeros(1, 2))
    video = torch.zeros(1, 64, 3, 4, 2)
    packed = pack(
        config,
        video=video,
        audio=torch.zeros(1, 9, 64),
        text=torch.zeros(1, 2, 256),
        phonemes=speech,
        references=[torch.zeros(1, 64, 1, 2, 2), torch.zeros(1, 64, 1, 2, 2)],
        source=video,
    )
    assert packed.sizes == (6 + 2 + 6, 9, 4)
    times = packed.positions[0, :, 0].tolist()
    units = 4  # per latent frame, 40 ms each
    assert times[:6] == [0, 0, units, units, 2 * units, 2 * units]
    assert times[6:8] == [-units, -2 * units]
    assert times[8:14] == times[:6]
    assert times[14:23] == list(range(9))
    assert times[23:25] == [0, 0]
    assert times[25:] == [2, 0]
    assert packed.positions[0, :2, 1].tolist() == [-0.5, 0.5]
    assert packed.roles is not None
    assert packed.roles.tolist() == [TARGET] * 6 + [REFERENCE] * 2 + [SOURCE] * 6


def test_the_published_model_takes_no_references_and_no_phonemes() -> None:
    parts = {
        "video": torch.zeros(1, 48, 1, 2, 2),
        "audio": torch.zeros(1, 1, 64),
        "text": torch.zeros(1, 2, 3584),
    }
    with pytest.raises(ValueError, match="roles"):
        pack(PRESETS["15b"], **parts, references=[parts["video"]])
    with pytest.raises(ValueError, match="phonemes"):
        pack(
            PRESETS["15b"],
            **parts,
            phonemes=Phonemes(torch.zeros(1, 1, dtype=torch.long), *torch.zeros(2, 1, 1)),
        )


def test_odd_latents_are_refused() -> None:
    with pytest.raises(ValueError, match="3x2"):
        pack(TINY, video=torch.zeros(1, 4, 1, 3, 2), audio=torch.zeros(1, 1, 6), text=torch.zeros(1, 2, 10))


def test_a_single_token_cannot_be_stretched_in_v1() -> None:
    assert positions_of(text_coords(2, style="v1"))[:, 0].tolist() == [0, 1]
    with pytest.raises(ValueError, match="v1"):
        positions_of(text_coords(1, style="v1"))


def test_positions_made_in_inference_mode_serve_training() -> None:
    with torch.inference_mode():
        random_sequence(TINY, frames=3, num_audio=3)
    assert not random_sequence(TINY, frames=3, num_audio=3, conditions=False).positions.is_inference()

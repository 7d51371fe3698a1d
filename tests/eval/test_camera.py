"""The camera: zoom and shift are measured as they are, the world's six moves are told apart, and flicker is no hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.eval.camera import CameraPath, CameraReader, read_path, world_path
from happyhorse.eval.registration import grid, steps_between
from happyhorse.world.scene import MOVES, sample_scene

READER = CameraReader(zoom=0.09, right=0.09, tremble=0.006)
HEIGHT, WIDTH = 64, 112


def texture(seed):
    rough = torch.rand(1, 1, 12, 20, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(rough, (HEIGHT, WIDTH), mode="bicubic")[0, 0]


def moved(picture, zoom, right, below):
    """What a camera shows that has zoomed in and whose picture has shifted."""
    down, across = grid(HEIGHT, WIDTH)
    x, y = (across - right) / np.exp(zoom), (down - below) / np.exp(zoom)
    points = torch.stack([2 * x * HEIGHT / WIDTH, 2 * y], -1)[None]
    return F.grid_sample(picture[None, None], points, align_corners=False, padding_mode="reflection")[0, 0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.floats(-0.02, 0.02), st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_zoom_and_shift_are_found(seed, zoom, right, below):
    picture = texture(seed)
    (found,) = steps_between(
        torch.stack([picture, moved(picture, zoom, right, below)]), torch.ones(HEIGHT, WIDTH)
    )
    assert found.tolist() == pytest.approx([zoom, right, below], abs=0.002)


def test_what_moves_by_itself_is_no_camera():
    before = texture(1)
    after = before.clone()
    before[20:40, 50:64], after[20:40, 53:67] = 1.0, 1.0
    (found,) = steps_between(torch.stack([before, after]), torch.ones(HEIGHT, WIDTH))
    assert found.abs().max() < 0.003


@pytest.mark.parametrize("name", MOVES)
def test_each_move_of_the_world_is_read(name):
    scene = replace(sample_scene(3_600_000_000, seconds=5), move=name)
    assert READER.read(world_path(scene)) == name


def test_flicker_is_not_a_hand():
    rng = np.random.default_rng(0)
    still = (255 * texture(2).clamp(0, 1)).numpy()[None, :, :, None].repeat(125, 0).repeat(3, 3)
    noisy = np.clip(still + rng.normal(0, 25, still.shape), 0, 255).astype(np.uint8)
    assert READER.read(read_path(noisy)) == "locked"


def test_thresholds_part_what_they_are_fitted_to():
    quiet, shaky = CameraPath(0.0, 0.01, 0.001), CameraPath(0.01, 0.0, 0.02)
    zoomed, panned = CameraPath(-0.2, 0.0, 0.001), CameraPath(0.03, 0.25, 0.001)
    known = [("locked", quiet), ("handheld", shaky), ("pull-out", zoomed), ("pan right", panned)]
    reader = CameraReader.fitted(known)
    assert [reader.read(path) for _, path in known] == [name for name, _ in known]
    assert reader.read(CameraPath(0.2, 0.0, 0.0)) == "push-in"
    assert reader.read(CameraPath(0.0, -0.25, 0.0)) == "pan left"

"""Still pictures: the camera is found, what stands still is the picture itself, what changes is the clip's."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.model.still import HANDOVER_FRAMES, Camera, StillPicture, _grid, _look, enlarge, follow


def texture(height, width, *, seed=0, grain=12):
    torch.manual_seed(seed)
    coarse = torch.randn(1, 3, height // grain, width // grain)
    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic")
    return (0.4 * smooth[0]).clamp(-1, 1)


def seen_by(camera, picture):
    return _look(picture, _grid(camera, picture.shape))


@settings(max_examples=15, deadline=None)
@given(st.floats(0.93, 1.07), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_a_moved_camera_is_found_from_near_by(zoom, right, down):
    picture = texture(128, 224)
    moved = Camera(zoom, right, down)
    found = follow(picture, seen_by(moved, picture), start=Camera())
    assert found.zoom == pytest.approx(zoom, abs=0.004)
    assert found.right == pytest.approx(right, abs=0.004)
    assert found.down == pytest.approx(down, abs=0.004)


def test_a_thing_that_moves_does_not_take_the_camera_with_it():
    first = texture(128, 224)
    frame = seen_by(Camera(1.0, 0.03, 0.0), first)
    frame[:, 40:110, 80:140] = texture(70, 60, seed=1)
    found = follow(first, frame, start=Camera())
    assert found.right == pytest.approx(0.03, abs=0.005)
    assert found.zoom == pytest.approx(1.0, abs=0.005)


def test_a_flat_picture_has_a_camera_that_stays():
    flat = torch.full((3, 64, 96), 0.2)
    assert follow(flat, flat + 0.01, start=Camera()) == Camera()


def test_the_first_frame_is_the_picture_and_stays_it():
    picture = texture(256, 448) + 0.2 * torch.randn(3, 256, 448)
    first = F.avg_pool2d(picture, 2)
    still = StillPicture(picture, first)
    torch.testing.assert_close(still.keep(first), picture, atol=1e-3, rtol=0)
    flickering = first + 0.05 * torch.randn_like(first)
    error = (still.keep(flickering) - picture).square().mean()
    assert error < 0.1 * (enlarge(flickering, picture.shape) - picture).square().mean()


def test_a_picture_under_a_moving_camera_keeps_its_detail():
    picture = texture(256, 448) + 0.5 * texture(256, 448, seed=3, grain=3)
    first = F.avg_pool2d(picture, 2)
    still = StillPicture(picture, first)
    for i in range(6):
        camera = Camera(1 - 0.01 * i, 0.01 * i, 0.0)
        frame = seen_by(camera, first)
        kept = still.keep(frame)
    expected = seen_by(camera, picture)
    middle = (slice(None), slice(32, -32), slice(56, -56))
    error = (kept - expected)[middle].square().mean()
    assert error < 0.2 * (enlarge(frame, picture.shape) - expected)[middle].square().mean()


def test_what_changes_is_the_clips_own():
    picture = texture(256, 448)
    first = F.avg_pool2d(picture, 2)
    frame = first.clone()
    frame[:, 60:100, 100:160] = 1.0  # a mouth opens, say
    kept = StillPicture(picture, first).keep(frame)
    assert kept[:, 130:190, 210:310].min() > 0.9
    torch.testing.assert_close(kept[:, :60, :120], picture[:, :60, :120], atol=0.02, rtol=0)


def test_a_clip_lets_go_of_its_picture_gently():
    """A face that the codec draws a little otherwise changes over a few frames, not from the first to the second."""
    picture = texture(256, 448)
    first = F.avg_pool2d(picture, 2)
    frame = first.clone()
    frame[:, 40:100, 80:160] += 0.2 * texture(60, 80, seed=1, grain=10).sign()
    still = StillPicture(picture, first)
    shown = [still.keep(first), *(still.keep(frame) for _ in range(HANDOVER_FRAMES + 2))]
    jumps = [float((after - before).square().mean().sqrt()) for before, after in pairwise(shown)]
    assert jumps[0] < 0.6 * sum(jumps)
    assert jumps[-1] < 0.02 * sum(jumps)


def test_new_light_falls_on_what_stands_still():
    picture = texture(256, 448) + 0.1 * torch.randn(3, 256, 448)
    first = F.avg_pool2d(picture, 2)
    kept = StillPicture(picture, first).keep(first + 0.03)
    assert (kept - picture).mean().item() == pytest.approx(0.03, abs=0.005)
    assert (kept - picture - 0.03).square().mean() < 0.2 * 0.1**2

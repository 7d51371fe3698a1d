"""Pixels moved along a field: nothing moves by zero, all by a shift, a gradient by any fraction, and edges go on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.model.warp import warp


def _field(x: float, y: float) -> torch.Tensor:
    return torch.tensor([x, y], dtype=torch.float32)[None, :, None, None].expand(1, 2, 2, 3)


def test_without_motion_a_picture_stays():
    picture = torch.rand(2, 3, 16, 24)
    torch.testing.assert_close(warp(picture, torch.zeros(2, 2, 2, 3)), picture, atol=1e-5, rtol=0)


@given(x=st.integers(-6, 6), y=st.integers(-6, 6))
@settings(deadline=None)
def test_whole_pixels_are_moved_and_the_edge_goes_on(x, y):
    picture = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    rows, columns = ((torch.arange(size) + by).clamp(0, size - 1) for size, by in ((16, y), (24, x)))
    torch.testing.assert_close(
        warp(picture, _field(x, y)), picture[:, :, rows][..., columns], atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(("x", "y"), [(0.25, 0.0), (0.0, -1.5), (2.75, 0.5)])
def test_fractions_of_a_pixel_lie_between(x, y):
    slope = torch.arange(24.0) + 100 * torch.arange(16.0)[:, None]
    moved = warp(slope[None, None], _field(x, y))[0, 0]
    torch.testing.assert_close(
        (moved - slope)[4:-4, 4:-4], torch.full((8, 16), x + 100 * y), atol=1e-2, rtol=0
    )


def test_each_picture_follows_its_own_field_and_the_field_learns():
    picture = torch.rand(1, 1, 1, 24).expand(2, 1, 16, 24)
    flow = torch.zeros(2, 2, 2, 3, requires_grad=True)
    with torch.no_grad():
        flow[1, 0] = 1.0
    moved = warp(picture, flow)
    torch.testing.assert_close(moved[1, :, :, :-1], moved[0, :, :, 1:], atol=1e-4, rtol=0)
    moved.square().sum().backward()
    assert flow.grad is not None
    assert flow.grad[:, 0].any()
    assert flow.grad[:, 1].abs().max() < 1e-3

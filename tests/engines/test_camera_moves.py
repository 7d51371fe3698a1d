"""Camera moves by cutting: gentle, inside the frame, in the direction that was asked for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from happyhorse.engines.camera import MOVES, View, look, view_at


@given(st.sampled_from(MOVES), st.floats(0, 15), st.integers(3, 15), st.integers(0, 50))
def test_a_view_never_leaves_the_frame(move, time_s, seconds, seed):
    view = view_at(move, time_s, seconds, seed=seed)
    assert view.zoom >= 1
    assert abs(view.x) <= 1 - 1 / view.zoom + 1e-9
    assert abs(view.y) <= 1 - 1 / view.zoom + 1e-9


@given(st.sampled_from(MOVES), st.integers(3, 15), st.integers(0, 50))
def test_no_frame_jumps(move, seconds, seed):
    views = [view_at(move, i / 25, seconds, seed=seed) for i in range(25 * seconds)]
    for one, other in pairwise(views):
        assert abs(one.zoom - other.zoom) < 0.02
        assert abs(one.x - other.x) + abs(one.y - other.y) < 0.05


def test_moves_go_where_they_say():
    ends = {move: (view_at(move, 0, 5, seed=1), view_at(move, 5, 5, seed=1)) for move in MOVES}
    assert ends["push-in"][1].zoom > ends["push-in"][0].zoom == 1
    assert ends["pull-out"][0].zoom > ends["pull-out"][1].zoom == 1
    assert ends["pan right"][1].x > 0 > ends["pan right"][0].x
    assert ends["pan left"][1].x < 0 < ends["pan left"][0].x
    assert view_at("locked", 3, 5, seed=1) == View()


def test_what_a_view_shows_is_that_part_enlarged():
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[25:50, 150:200] = 255  # the upper right of the middle half's right neighbour
    shown = look(picture, View(2.0, 0.5, -0.25))
    left, top = 100, 12.5 + 0.0
    assert shown.shape == picture.shape
    assert shown[int((30 - top) * 2), int((175 - left) * 2)].min() == 255
    assert shown[int((60 - top) * 2), int((175 - left) * 2)].max() == 0
    assert shown[int((30 - top) * 2), int((140 - left) * 2)].max() == 0


@pytest.mark.parametrize("size", [(720, 1280), (31, 47)])
def test_the_whole_view_is_the_picture(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert np.array_equal(look(picture, View()), picture)

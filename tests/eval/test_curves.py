"""Curves: what moves together is found, and by how many frames one is late."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.eval.curves import MAX_LAG, correlation, lag, loudness


def speech_like(seed, count=125):
    rng = np.random.default_rng(seed)
    return np.convolve(rng.random(count + 8), np.ones(4) / 4, "same")[4:-4]


@settings(max_examples=40, deadline=None)
@given(st.integers(-MAX_LAG, MAX_LAG), st.integers(0, 50))
def test_a_mouth_that_is_late_is_found_late(frames, seed):
    loud = speech_like(seed, 125 + 2 * MAX_LAG)
    mouth = loud[MAX_LAG - frames : MAX_LAG - frames + 125]
    assert lag(mouth, loud[MAX_LAG : MAX_LAG + 125]) == frames


def test_correlation_is_pearsons_and_0_for_a_flat_curve():
    a = speech_like(1)
    assert correlation(a, 3 * a + 1) == pytest.approx(1)
    assert correlation(a, -a) == pytest.approx(-1)
    assert abs(correlation(a, speech_like(2))) < 0.3
    assert correlation(a, np.full(125, 0.2)) == 0.0


def test_loudness_is_the_rms_of_each_frame():
    sound = np.zeros((2, 1920 * 3 + 100), np.float32)
    sound[:, 1920:3840] = 0.5
    assert loudness(sound, 3).tolist() == pytest.approx([0, 0.5, 0])

"""A ball that is let fall: it obeys gravity, it is drawn where it is, and its impacts are heard when they happen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from happyhorse.bounce import Fall
from happyhorse.eval.impacts import read_ball
from happyhorse.world.draw import ScenePainter, draw_clip
from happyhorse.world.motion import move
from happyhorse.world.scene import sample_ball_scene
from happyhorse.world.sheet import draw_sheet
from happyhorse.world.sound import render

FALLS = st.builds(Fall, st.floats(0, 1), st.floats(0.3, 0.8), st.floats(0.5, 0.95))


@given(FALLS)
def test_it_hits_the_floor_at_its_impacts_and_stays_above_it_between(fall):
    impacts = fall.impacts(6.0)
    assert impacts[0].time_s == pytest.approx(fall.start_s + fall.fall_s)
    at = np.array([impact.time_s for impact in impacts])
    np.testing.assert_allclose(fall.heights(at), 0, atol=1e-9)
    assert (fall.heights(np.linspace(0, 6, 400)) >= -1e-9).all()
    assert fall.heights(np.array([0.0, fall.start_s])) == pytest.approx([1, 1])


@given(FALLS)
def test_each_bounce_keeps_the_square_of_the_restitution_of_the_height(fall):
    first, second = fall.impacts(10.0)[:2]
    crest = fall.heights(np.array([(first.time_s + second.time_s) / 2, 10.0]))[0]
    assert crest == pytest.approx(fall.restitution**2, rel=1e-6)
    time_s = np.linspace(first.time_s, second.time_s, 50)
    bend = np.diff(fall.heights(time_s), 2) / (time_s[1] - time_s[0]) ** 2
    np.testing.assert_allclose(bend, -2 / fall.fall_s**2, rtol=1e-3)  # one gravity for all


def test_it_stops_in_the_end():
    fall = Fall.sample(3)
    assert len(fall.impacts(60)) < 40
    assert fall.heights(np.array([59.0]))[0] == 0


def test_instants_need_no_order():
    fall = Fall.sample(3)
    at = np.array([4.0, 0.0, 2.5])
    assert fall.heights(at) == pytest.approx([fall.heights(np.array([t]))[0] for t in at])
    assert fall.heights(np.array([])).shape == (0,)


def test_it_is_flattened_by_an_impact_and_round_at_rest():
    scene = replace(sample_ball_scene(4), move="locked", weather="clear", environment="plain")
    painter = ScenePainter(scene, move(scene, None, num_frames=1000), width=448, height=256)
    first = painter.draw(0).astype(int)
    hit = round(scene.ball.fall.impacts(2)[0].time_s * 25)

    def upper_edge(i):
        changed = np.abs(painter.draw(i) - first).max(axis=-1) > 60
        changed[:128] = False  # where it was held
        return int(changed.any(axis=1).argmax())

    assert min(upper_edge(i) for i in range(950, 999)) == max(upper_edge(i) for i in range(950, 999))
    assert max(upper_edge(i) for i in (hit - 1, hit, hit + 1)) >= upper_edge(999) + 2


def test_the_box_holds_the_ball():
    scene = replace(sample_ball_scene(4), move="locked", weather="clear", environment="plain")
    painter = ScenePainter(scene, move(scene, None, num_frames=60), width=448, height=256)
    first, boxed = painter.draw(0), painter.subject_box(0)
    for i in range(16, 60, 4):
        changed = np.abs(painter.draw(i).astype(int) - first).max(axis=-1) > 60
        assert changed.sum() > 300
        for left, top, right, bottom in (boxed, painter.subject_box(i)):
            changed[top:bottom, left:right] = False
        assert changed[:180].sum() == 0  # below is the shadow


def test_a_sheet_shows_balls_half_way_down():
    sheet = draw_sheet(4, columns=1, rows=1, width=96, height=64, ball=True)
    scene = sample_ball_scene(4)
    painter = ScenePainter(scene, move(scene, None, num_frames=125), width=96, height=64)
    (shown,) = (i for i in range(125) if np.array_equal(painter.draw(i), sheet))
    assert 0.4 < scene.ball.fall.heights(np.array([shown / 25]))[0] < 0.6


@pytest.mark.slow
def test_impacts_are_heard_when_they_are_seen():
    shares = []
    for seed in range(70):
        scene = replace(sample_ball_scene(seed), move="locked")
        if scene.line or scene.weather == "rain" or scene.time != "day" or scene.shot == "close-up":
            continue  # a near ball hides what is behind it most of the time: the eye errs there
        frames = np.stack(list(draw_clip(scene, move(scene, None, num_frames=100), width=224, height=128)))
        sound = render(scene, None, num_samples=4 * 48_000)[None]
        impacts = read_ball(frames, sound, colour=scene.ball.colour).impacts
        true = [impact.time_s for impact in scene.ball.fall.impacts(4.0)]
        assert abs(impacts.heard_s[0] - true[0]) < 0.03
        shares.append(impacts.share)
    assert len(shares) > 3
    assert np.mean(shares) > 0.85

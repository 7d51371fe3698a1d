"""Impacts of a ball, seen and heard: read right on the world's own clips, nowhere in noise, and told beside the instrument."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from happyhorse.eval.codec import CodecQuality
from happyhorse.eval.impacts import (
    FIRST_SEED,
    READ_SIZE,
    Ball,
    BallReading,
    Impacts,
    find_moved,
    heard_impacts,
    held_out_balls,
    moving_colour,
    own_clip,
    read_ball,
    try_balls,
)
from happyhorse.eval.nano import Lips, Table
from happyhorse.eval.table import lines
from happyhorse.media.write import encode
from happyhorse.world.draw import draw_clip
from happyhorse.world.motion import move
from happyhorse.world.scene import BALL_COLOURS, sample_ball_scene
from happyhorse.world.sound import render


@cache
def near_still():
    """A scene without anything that moves but the ball."""
    return replace(
        sample_ball_scene(4), line="", move="locked", weather="clear", environment="plain", time="day"
    )


def of_colour(colour):
    scene = near_still()
    return replace(scene, ball=replace(scene.ball, colour=colour), shot="medium shot")


def draw(scene, num_frames):
    motion = move(scene, None, num_frames=num_frames)
    return np.stack(list(draw_clip(scene, motion, width=224, height=128)))


def test_an_impact_belongs_to_one_other_at_most_within_two_frames():
    assert Impacts((1.0,), (0.95, 1.05)).together == 1
    assert Impacts((0.96, 1.04), (1.0,)).together == 1
    assert Impacts((1.0, 2.0), (1.07, 2.09)).together == 1
    assert Impacts((1.0, 2.0), (0.99, 2.01)).share == 1
    assert Impacts((1.0, 2.0), (1.0, 3.0)).share == pytest.approx(1 / 3)
    assert Impacts((), ()).share == 0


def test_a_drawn_fall_is_read_when_it_happens():
    scene = of_colour("red")
    frames = draw(scene, 100)
    read = read_ball(frames, render(scene, None, num_samples=4 * 48_000)[None], colour="red")
    true = tuple(impact.time_s for impact in scene.ball.fall.impacts(4.0))
    assert len(true) > 1
    assert read.impacts.heard_s == pytest.approx(true, abs=0.03)
    assert read.impacts.seen_s == pytest.approx(true, abs=0.08)
    assert read.impacts.share == 1
    assert read.right_colour
    assert not read_ball(frames, np.zeros((1, 48_000), np.float32), colour="blue").right_colour


@pytest.mark.parametrize("colour", ["orange", "green", "purple", "black"])
def test_the_colour_of_what_moves_is_the_balls(colour):
    frames = draw(of_colour(colour), 40)
    assert moving_colour(frames, find_moved(frames)) == colour


def test_where_nothing_moves_and_nothing_knocks_there_are_no_impacts():
    frames = np.full((50, 64, 64, 3), 90, np.uint8)
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 2 * 48_000)).astype(np.float32)
    assert heard_impacts(noise) == ()
    assert read_ball(frames, 0 * noise, colour="red") == BallReading(Impacts((), ()), right_colour=False)


def test_held_out_balls_are_silent_and_named_by_their_colour():
    said = 0
    for scene, prompt in held_out_balls(12):
        assert scene.seed >= FIRST_SEED
        assert not scene.line
        assert '"' not in prompt
        assert scene.move == "locked"
        assert scene.ball.colour in BALL_COLOURS
        said += scene.ball.colour in prompt.lower()
    assert said > 6  # the others by another word: ruby, ivory


def test_the_row_says_what_the_instrument_reads_of_the_world():
    table = Table((), 0.95, (Lips(0.7, 0),), (Lips(0.5, 1),))
    good = BallReading(Impacts((1.0, 2.0), (1.0, 2.0)), right_colour=True)
    half = BallReading(Impacts((1.0, 2.0), (1.0,)), right_colour=False)
    codec = CodecQuality(30, 29, 24, 0.5)
    rows = list(lines(table, codec, balls=[Ball("", half, good), Ball("", good, good)]))
    (impacts,) = (row for row in rows if row.startswith("impacts"))
    (colour,) = (row for row in rows if row.startswith("ball's colour"))
    assert "nano  75%  instrument 100%" in impacts
    assert "2 clips" in impacts
    assert "nano  50%  instrument 100%  chance  11%" in colour
    assert "void" not in impacts + colour
    misread = "\n".join(lines(table, codec, balls=[Ball("", good, half)]))
    assert misread.count("void") == 2
    assert "impacts" not in "\n".join(lines(table, codec))


@pytest.mark.slow
def test_a_finished_clip_of_the_worlds_own_reads_as_the_world(tmp_path):
    scenes = dict(enumerate(scene for scene, _ in held_out_balls(1)))

    def make(prompt, seed, path):
        frames, sound = own_clip(scenes[seed])
        encode(path, iter(frames), size=READ_SIZE, audio=np.repeat(sound, 2, axis=0), metadata={})

    (ball,) = try_balls(make, folder=tmp_path, count=1)
    assert ball.world.impacts.share == 1
    assert ball.nano.impacts.seen_s == pytest.approx(ball.world.impacts.seen_s, abs=0.04)
    assert ball.nano.impacts.heard_s == pytest.approx(ball.world.impacts.heard_s, abs=0.04)
    assert ball.world.right_colour
    assert ball.nano.right_colour

"""Hats: each is drawn over the brow, goes with the top, and is worn as often as said."""

from dataclasses import replace

import numpy as np
import pytest

from happyhorse.world.draw import ScenePainter
from happyhorse.world.motion import move
from happyhorse.world.scene import HAT_SHARE, HATS, sample_person, sample_scene


def head_of(hat, *, top="grey"):
    """A head with a hat from its box's top to its brow, and all that is below the brow."""
    scene = replace(
        sample_scene(3), environment="plain", shot="close-up", time="day", weather="clear", move="locked"
    )
    person = replace(
        scene.person, hat=hat, top_colour=top, glasses=False, hair_style="short", hair_colour="black"
    )
    scene = replace(scene, person=person)
    painter = ScenePainter(scene, move(scene, None, num_frames=1), width=448, height=256)
    left, top_y, right, bottom = painter.subject_box(0)
    brow = top_y + round(0.26 * (bottom - top_y))
    frame = painter.draw(0).astype(int)
    return frame[:brow], frame[brow + (bottom - top_y) // 8 : bottom, left:right]


def test_every_hat_shows_above_the_brow_and_leaves_the_face():
    drawn = {hat: head_of(hat) for hat in HATS}
    for i, one in enumerate(HATS):
        for other in HATS[i + 1 :]:
            changed = np.abs(drawn[one][0] - drawn[other][0]).max(axis=-1) > 30
            assert changed.sum() > 300, (one, other)
            assert np.array_equal(drawn[one][1], drawn[other][1]), (one, other)


@pytest.mark.parametrize("hat", ["cap", "beanie", "straw hat"])
def test_a_hat_goes_with_the_top(hat):
    red, blue = (head_of(hat, top=colour)[0] for colour in ("red", "blue"))
    changed = np.abs(red - blue).max(axis=-1) > 60
    assert changed.sum() > 200
    assert (red[changed][:, 0] > red[changed][:, 2]).mean() > 0.95
    assert (blue[changed][:, 2] > blue[changed][:, 0]).mean() > 0.95


def test_a_bare_head_does_not_change_with_the_top():
    assert np.array_equal(head_of("no", top="red")[0], head_of("no", top="blue")[0])


def test_hats_are_worn_as_often_as_said_and_each_as_often_as_another():
    worn = [sample_person(np.random.default_rng(seed)).hat for seed in range(1500)]
    counts = {hat: worn.count(hat) / len(worn) for hat in HATS}
    assert 1 - counts["no"] == pytest.approx(HAT_SHARE, abs=0.04)
    for hat in HATS[1:]:
        assert counts[hat] == pytest.approx(HAT_SHARE / 3, abs=0.03)

"""Even motion measures 1, motion that stands still within latents much more, and the world moves evenly."""

import numpy as np
import pytest

from happyhorse.eval.stepping import stepping
from happyhorse.world.draw import draw_clip
from happyhorse.world.motion import move
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import speak_line


def _pan(positions):
    picture = np.random.default_rng(0).integers(256, size=(8, 200, 3), dtype=np.uint8)
    picture = np.repeat(picture, 4, axis=1)
    return np.stack([picture[:, at : at + 64] for at in positions])


def test_a_pan_is_even():
    assert stepping(_pan(range(25))) == pytest.approx(1, abs=0.1)


def test_a_clip_that_stands_within_its_latents_steps():
    held = [0, *(4 * (1 + i // 4) for i in range(24))]
    assert stepping(_pan(held)) > 100
    half = [0, *(4 * (1 + i // 4) + i % 4 // 2 for i in range(24))]
    assert 1.5 < stepping(_pan(half)) < 20


def test_the_world_moves_evenly():
    scene = next(scene for scene in map(sample_scene, range(1, 50)) if scene.line)
    motion = move(scene, speak_line(scene, aloud=False), num_frames=49)
    frames = np.stack(list(draw_clip(scene, motion, width=112, height=64)))
    assert stepping(frames) == pytest.approx(1, abs=0.15)


def test_a_clip_too_short_to_step_is_refused():
    with pytest.raises(ValueError, match="8 frames hold no two whole latents; 9 do"):
        stepping(_pan(range(8)))

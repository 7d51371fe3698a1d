"""The world: the same scene gives the same bytes, mouths follow phonemes, sound starts when the line does."""

import numpy as np
import pytest

from happyhorse.speech.speaker import Speech
from happyhorse.speech.times import Phoneme
from happyhorse.world.draw import ScenePainter, draw_clip
from happyhorse.world.leaves import draw_leaves
from happyhorse.world.motion import mouth_tracks, move
from happyhorse.world.scene import ATTRIBUTES, ENVIRONMENTS, MOVES, Scene, sample_scene
from happyhorse.world.sound import ambience, render, speak_line

SIZE = {"width": 224, "height": 128}


def speech_of(*phonemes):
    return Speech(tuple(phonemes), sum(p.duration_s for p in phonemes), np.zeros(0, np.float32), 48_000)


@pytest.mark.parametrize("seed", range(6))
def test_same_seed_same_pictures_and_sound(seed):
    def make():
        scene = sample_scene(seed)
        speech = speak_line(scene)
        frames = np.stack(list(draw_clip(scene, move(scene, speech, num_frames=6), **SIZE)))
        return frames, render(scene, speech, num_samples=48_000)

    (frames, sound), (frames_again, sound_again) = make(), make()
    assert np.array_equal(frames, frames_again)
    assert np.array_equal(sound, sound_again)


def test_every_attribute_value_of_a_scene_is_in_the_table():
    for seed in range(300):
        for name, value in sample_scene(seed).attributes().items():
            assert value in ATTRIBUTES[name], (name, value)


def test_scenes_draw_at_every_place_time_and_size():
    seen = set()
    for seed in range(120):
        scene = sample_scene(seed)
        if (scene.environment, scene.time) in seen:
            continue
        seen.add((scene.environment, scene.time))
        frame = ScenePainter(scene, move(scene, None, num_frames=2), width=96, height=160).draw(1)
        assert frame.shape == (160, 96, 3)
        assert frame.std() > 10
    assert {place for place, _ in seen} == set(ENVIRONMENTS)


def test_lips_close_on_m_and_open_on_a():
    speech = speech_of(Phoneme("a", 0.0, 0.2), Phoneme("m", 0.2, 0.12), Phoneme("a", 0.32, 0.2))
    opened, _, _ = mouth_tracks(speech, 0.0, np.array([0.1, 0.26, 0.42, 1.0]))
    assert opened[0] > 0.5
    assert opened[2] > 0.5
    assert opened[1] < 0.1
    assert opened[3] < 0.05


def test_an_open_mouth_changes_the_face_and_little_else():
    scene = next(s for s in map(sample_scene, range(50)) if s.move == "locked" and s.environment == "plain")
    still = move(scene, None, num_frames=2)
    painter = ScenePainter(scene, still, width=448, height=256)
    shut = painter.draw(1).astype(int)
    still.mouth_open[1] = 1.0
    wide = painter.draw(1).astype(int)
    left, top, right, bottom = painter.subject_box(1)
    changed = np.abs(wide - shut).sum(axis=-1) > 0
    assert changed[top:bottom, left:right].sum() > 30
    assert changed.sum() == changed[top:bottom, left:right].sum()


@pytest.mark.parametrize("name", MOVES)
def test_camera_moves_differ_from_a_locked_camera_except_itself(name):
    scene = sample_scene(3)
    values = {field: getattr(scene, field) for field in scene.__dataclass_fields__}
    moved = move(Scene(**{**values, "move": name}), None, num_frames=50)
    travel = np.ptp(moved.zoom) + np.ptp(moved.pan_x)
    assert (travel < 1e-9) == (name == "locked")


def test_the_voice_begins_with_its_line():
    scene = next(s for s in map(sample_scene, range(50)) if s.line and s.environment == "plain")
    speech = speak_line(scene)
    sound = render(scene, speech, num_samples=5 * 48_000)
    quiet = ambience(scene, 5 * 48_000)
    start = round(scene.line_start_s * 48_000)
    np.testing.assert_allclose(sound[:start], np.tanh(quiet[:start]).astype(np.float32), atol=1e-6)
    voice = sound[start : start + round(speech.duration_s * 48_000)]
    assert np.sqrt(np.mean(voice**2)) > 5 * np.sqrt(np.mean(sound[:start] ** 2))


def test_leaves_move_and_are_reproducible():
    first = np.stack(list(draw_leaves(7, num_frames=3, width=96, height=64)))
    assert np.array_equal(first, np.stack(list(draw_leaves(7, num_frames=3, width=96, height=64))))
    assert not np.array_equal(first[0], first[2])

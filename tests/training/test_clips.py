"""Samples of a falling ball: what knocks, how high it stands, where it counts and what is said of it."""

import math
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from happyhorse.model.pixels import from_bytes
from happyhorse.shapes import FPS, TIME_STRIDE
from happyhorse.speech.phonemes import HEIGHTS, IMPACT, phoneme_id
from happyhorse.training import clips as drawing
from happyhorse.training.clips import Codecs, Kind, encoders, make_clips, tell
from happyhorse.world.caption import caption
from happyhorse.world.draw import ScenePainter
from happyhorse.world.motion import move
from happyhorse.world.scene import sample_ball_scene

SHIPPED = Codecs(
    *(
        Path(str(resources.files("happyhorse") / f"weights/nano/{name}.safetensors"))
        for name in ("video_vae", "audio_vae", "text")
    )
)
SIZE = (96, 64)
SECONDS = 2


def silent_seed():
    return next(seed for seed in range(50) if not sample_ball_scene(seed, seconds=SECONDS).line)


def painter_of(seed, num_frames):
    scene = replace(sample_ball_scene(seed, seconds=SECONDS), move="locked")
    return ScenePainter(scene, move(scene, None, num_frames=num_frames), width=SIZE[0], height=SIZE[1])


def test_a_clip_of_a_ball_says_when_it_knocks_how_high_it_is_and_where():
    seed = silent_seed()
    (clip,) = make_clips(
        range(seed, seed + 1), kind=Kind("short", SECONDS, (SIZE,), balls=1.0), codecs=SHIPPED
    )
    num_latents = clip.video.shape[1]
    num_frames = TIME_STRIDE * (num_latents - 1) + 1
    painter = painter_of(seed, num_frames)
    fall = painter.scene.ball.fall

    impacts = fall.impacts(num_frames / FPS)
    assert impacts
    knocks = clip.phonemes[0] == phoneme_id(IMPACT)
    _, starts, log_durations = clip.phonemes[:, knocks]
    assert starts * TIME_STRIDE / FPS == pytest.approx([one.time_s for one in impacts], abs=1e-4)
    assert log_durations == pytest.approx([math.log(one.sound_s) for one in impacts], abs=1e-4)
    levels = {phoneme_id(name): level for level, name in enumerate(HEIGHTS)}
    told = np.isin(clip.phonemes[0], list(levels))
    assert clip.phonemes[1, told].tolist() == list(range(num_latents))
    assert not clip.phonemes[:, ~(knocks | told)].any()

    heights = fall.heights(np.arange(num_frames) / FPS)
    shown = clip.mouth.reshape(num_latents, 3, TIME_STRIDE)
    assert shown[0, 0] == pytest.approx([heights[0]] * TIME_STRIDE, abs=1e-3)
    assert shown[1:, 0].ravel() == pytest.approx(heights[1:], abs=1e-3)
    assert not shown[:, 1:].any()
    in_latents = np.array([levels[int(one)] for one in clip.phonemes[0, told]]) / (len(HEIGHTS) - 1)
    assert in_latents[1:] == pytest.approx(shown[1:, 0].mean(axis=1), abs=0.06)

    for i in range(num_frames):
        left, top, right, bottom = painter.subject_box(i)
        counts = clip.weight[-(-i // TIME_STRIDE)]
        assert (counts[top // 16 : -(-bottom // 16), left // 16 : -(-right // 16)] > 1).all(), i


def test_a_picture_of_a_ball_is_its_first_frame():
    seed = silent_seed()
    (clip,) = make_clips(range(seed, seed + 1), kind=Kind("picture", 0, (SIZE,), balls=1.0), codecs=SHIPPED)
    first = from_bytes(painter_of(seed, 50).draw(0)[None])
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        expected = encoders(SHIPPED)[0].encode(first)[0]
    assert clip.video == pytest.approx(expected.half().numpy())
    assert (clip.mouth[0] == [1] * TIME_STRIDE + [0] * 2 * TIME_STRIDE).all()
    assert clip.audio.shape[0] == 0
    assert not clip.phonemes.any()


def test_a_completed_prompt_of_a_ball_says_all_that_it_left_open_and_of_no_person(monkeypatch):
    open_colours = 0
    for seed in range(20):
        scene = sample_ball_scene(seed)
        told = caption(scene, np.random.default_rng(seed))
        monkeypatch.setattr(drawing, "COMPLETED_SHARE", 0.0)
        assert tell(scene, np.random.default_rng(seed)) == told.text
        monkeypatch.setattr(drawing, "COMPLETED_SHARE", 1.0)
        text = tell(scene, np.random.default_rng(seed))
        assert text.startswith(told.text.rstrip())
        added = text[len(told.text.rstrip()) :].lower()
        facts = scene.attributes()
        for name in ("environment", "time", "weather", "shot", "move"):
            assert (facts[name] in added) == (name not in told.mentioned), (name, text)
        assert (facts["subject"] in added) == (told.subject == "ball"), text
        open_colours += told.subject == "ball"
        assert not any(word in added for word in ("skin", "hair", "glasses", "beard", "hat"))
    assert 0 < open_colours < 20

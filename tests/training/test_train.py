"""The transformer's trainer: losses see only what is generated, noise is as said, a tiny run learns and resumes."""

import dataclasses
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from happyhorse.model.config import PRESETS
from happyhorse.model.pack import Latents, Phonemes
from happyhorse.speech.phonemes import SYMBOLS
from happyhorse.training import clips as drawing
from happyhorse.training import train
from happyhorse.training.clips import (
    FACE_WEIGHT,
    MOUTH_VALUES,
    MOUTH_WEIGHT,
    Batch,
    Clip,
    Codecs,
    Kind,
    collate,
    face_weight,
    make_clips,
    mouth_shapes,
)
from happyhorse.training.tutor import Tutor
from happyhorse.world.motion import move
from happyhorse.world.scene import sample_scene
from happyhorse.world.sound import speak_line

SHIPPED = Codecs(
    *(
        Path(str(resources.files("happyhorse") / f"weights/nano/{name}.safetensors"))
        for name in ("video_vae", "audio_vae", "text")
    )
)
CHANNELS = PRESETS["nano"].latent_channels
WEIGHTS = train.Weights(torch.ones(CHANNELS), torch.ones(64))


def batch(frames=3, size=4):
    torch.manual_seed(0)
    clean = Latents(torch.randn(size, CHANNELS, frames, 4, 4), torch.randn(size, 4 * (frames - 1) + 1, 64))
    phonemes = Phonemes(torch.zeros(size, 2, dtype=torch.long), torch.zeros(size, 2), torch.zeros(size, 2))
    mouth = torch.rand(size, frames, MOUTH_VALUES)
    photos = torch.arange(size) % 4 == 3
    return Batch(clean, torch.ones(size, frames, 4, 4), mouth, torch.randn(size, 16, 256), phonemes, photos)


def noised(**kwargs):
    return train.add_noise(batch(**kwargs), torch.zeros(16, 256), torch.Generator().manual_seed(1))


def test_what_is_given_stays_clean_and_out_of_the_loss():
    clips = batch(size=64)
    out = train.add_noise(clips, torch.zeros(16, 256), torch.Generator().manual_seed(1))
    given = out.video_mask[:, 0, 0, 0, 0] == 0
    assert given[clips.is_photo].all()
    assert 0 < given[~clips.is_photo].sum() < 48
    assert torch.equal(out.first_frame[given], clips.clean.video[given][:, :, :1])
    assert not out.first_frame[~given].any()
    assert torch.equal(out.seen.video[given][:, :, 0], clips.clean.video[given][:, :, 0])
    wrong = out.velocity.video.clone()
    wrong[given, :, 0] += 100.0
    losses = train.flow_losses(Latents(wrong, out.velocity.audio), out, WEIGHTS)
    assert losses["video"].item() == pytest.approx(0.0, abs=1e-6)
    assert losses["audio"].item() == pytest.approx(0.0, abs=1e-6)


def test_prompts_beside_a_first_frame_are_dropped_more_often():
    clips = batch(size=2000)
    out = train.add_noise(clips, torch.zeros(16, 256), torch.Generator().manual_seed(1))
    given = out.video_mask[:, 0, 0, 0, 0] == 0
    dropped = (out.text == 0).all(dim=(1, 2)).float()
    assert dropped[~given].mean().item() == pytest.approx(train.DROP_TEXT, abs=0.06)
    assert dropped[given].mean().item() == pytest.approx(train.DROP_TEXT_OF_GIVEN, abs=0.1)


def test_the_velocity_leads_from_what_is_seen_to_the_clean_latent():
    clips = batch()
    out = train.add_noise(clips, torch.zeros(16, 256), torch.Generator().manual_seed(3))
    sigma = ((out.seen.audio - clips.clean.audio) / out.velocity.audio).mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(
        out.seen.audio - sigma * out.velocity.audio, clips.clean.audio, atol=1e-3, rtol=1e-3
    )


def test_an_error_on_a_face_counts_as_much_more_as_its_weight():
    out = noised()
    losses = []
    for row in (0, 3):
        wrong = out.velocity.video.clone()
        wrong[:, :, 1, row, 0] += 1.0
        weighted = dataclasses.replace(out, weight=torch.ones_like(out.weight))
        weighted.weight[:, :, :, 3] = 6.0
        losses.append(
            train.flow_losses(Latents(wrong, out.velocity.audio), weighted, WEIGHTS)["video"].item()
        )
    assert losses[1] == pytest.approx(6 * losses[0])


def test_a_face_counts_more_than_a_wall_and_a_mouth_most():
    weight = face_weight((64, 32, 128, 96), 128, 224)
    assert weight.shape == (8, 14)
    assert weight[0].tolist() == [1.0] * 14
    assert weight[2, 4:8].tolist() == [FACE_WEIGHT] * 4
    assert weight[5, 4:8].tolist() == [MOUTH_WEIGHT] * 4
    assert weight[:, :4].max() == weight[6:].max() == 1.0
    assert face_weight((0, 0, 8, 16), 32, 32)[0, 0] == pytest.approx(
        (1 + (FACE_WEIGHT + MOUTH_WEIGHT) / 2) / 2
    )


def test_a_sound_alone_batch_has_no_video_loss():
    clips = batch()
    clean = Latents(torch.zeros(4, 64, 3, 0, 0), clips.clean.audio)
    silent = dataclasses.replace(clips, clean=clean, weight=torch.ones(4, 3, 0, 0))
    out = train.add_noise(silent, torch.zeros(16, 256), torch.Generator().manual_seed(1))
    losses = train.flow_losses(Latents(torch.zeros(4, 64, 3, 0, 0), out.velocity.audio), out, WEIGHTS)
    assert set(losses) == {"audio"}


def test_stages_cover_the_run_and_batches_cover_the_kinds():
    assert [stage.until for stage in train.STAGES] == sorted(stage.until for stage in train.STAGES)
    assert train.STAGES[-1].until == 1.0
    assert train.stage_at(0.0) == 0
    assert train.stage_at(0.9999) == len(train.STAGES) - 1
    named = {kind for stage in train.STAGES for kind in stage.weights}
    assert named <= set(train.KINDS) == set(train.BATCH) == set(train.CAPACITY) == set(train.PASSES)


def test_every_parameter_has_exactly_one_optimizer():
    model = train.Transformer(PRESETS["nano"])
    owned = [
        p for o in train.make_optimizers(model).values() for group in o.param_groups for p in group["params"]
    ]
    assert len(owned) == len(set(map(id, owned))) == len(list(model.parameters()))


def test_the_learning_rate_warms_up_and_falls():
    assert train.learning_scale(0, 0.0) < 0.01
    assert train.learning_scale(500, 0.3) == 1.0
    assert train.learning_scale(5000, 1.0) == pytest.approx(0.05)


def test_collate_takes_one_prompt_of_each_clip():
    clips = [
        Clip(np.zeros((64, 1, 4, 4), np.float16), np.ones((1, 4, 4), np.float16), np.zeros((1, 12), np.float16), np.zeros((1, 64), np.float16), np.full((3, 16, 256), i, np.float16), np.full((3, 1), i, np.float32))
        for i in range(2)
    ]  # fmt: skip
    made = collate(clips, np.random.default_rng(0))
    assert made.text[1].unique().tolist() == [1.0]
    assert made.phonemes.ids.tolist() == [[0], [1]]


def test_mouth_shapes_stand_in_the_groups_of_the_codec():
    scene = sample_scene(3, seconds=2)
    motion = move(scene, speak_line(scene, aloud=False), num_frames=20)
    shapes = mouth_shapes(motion, 5, 9).unflatten(1, (3, 4))  # (t, open wide teeth, four frames)
    assert shapes.shape == (3, 3, 4)
    opened = torch.from_numpy(motion.mouth_open).float()
    assert shapes[0, 0].tolist() == pytest.approx([opened[5].item()] * 4)
    torch.testing.assert_close(shapes[1:, 0].flatten(), opened[6:14])
    torch.testing.assert_close(shapes[2, 2], torch.from_numpy(motion.mouth_teeth).float()[10:14])


def test_the_tutor_hears_picture_rows_in_order_of_time_and_teaches_the_layers_below_it():
    torch.manual_seed(0)
    model = train.Transformer(PRESETS["nano"])
    tutor = Tutor(model)
    clips = noised(frames=3)
    train.predict(model, clips, clips.text)
    rows = torch.zeros_like(tutor._heard)
    rows[:, :, 0] = torch.arange(rows.shape[1]) // 4 + 1.0  # four rows a frame: its number, from 1
    rows[:, :, 1] = 4.0
    heard, tutor._heard = tutor._heard, rows
    with torch.no_grad():
        tutor.head.weight.zero_()
        tutor.head.bias.zero_()
        tutor.head.weight[0, 0] = 1.0
    normed = [n / ((n * n + 16) / 256) ** 0.5 for n in (1, 2, 3)]
    mouth = torch.zeros(4, 3, MOUTH_VALUES)
    mouth[:, :, 0] = torch.tensor(normed)
    assert tutor.loss(mouth, num_video=12).item() == pytest.approx(0, abs=1e-8)
    tutor._heard = heard
    assert tutor.loss(mouth, num_video=0) is None
    train.predict(model, clips, clips.text)
    torch.nn.init.normal_(tutor.head.weight)
    tutor.loss(mouth, num_video=12).backward()
    taught = [layer.mlp.down_proj.weight.grad is not None for layer in model.block.layers]
    assert taught == [True] * 3 + [False] * 5


def test_a_picture_unlike_the_world_comes_with_its_first_frame_no_speech_and_a_prompt_of_its_place():
    kind = Kind("short", 2, (train.WIDE,), photos=1.0)
    (clip,) = make_clips(range(7, 8), kind=kind, codecs=SHIPPED)
    assert clip.is_photo
    assert not clip.phonemes[0].any()
    assert not clip.mouth.any()
    assert (clip.weight == 1).all()
    (person,) = make_clips(range(7, 8), kind=dataclasses.replace(kind, photos=0.0), codecs=SHIPPED)
    assert not person.is_photo
    assert person.weight.max() > 1


@pytest.mark.parametrize("share", [0, 1])
def test_those_who_speak_another_language_have_its_sounds(monkeypatch, share):
    monkeypatch.setattr(drawing, "FOREIGN_SHARE", share)
    kind = Kind("voice", 2, (train.WIDE,), pictures=False)
    said = {
        SYMBOLS[int(i)]
        for clip in make_clips(range(1, 9), kind=kind, codecs=SHIPPED)
        for i in clip.phonemes[0]
    }
    assert bool(said & {"ʁ", "ɔ̃", "ç", "y"}) == bool(share)
    assert bool(said & {"θ", "ð", "ɹ"}) != bool(share)

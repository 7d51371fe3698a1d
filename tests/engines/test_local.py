"""The local engine: a plan becomes a file of the right size and length, from whatever weights, and stops when told."""

import copy
import dataclasses
import io
import json
import subprocess
import sys
from importlib import resources
from shutil import copytree

import numpy as np
import pytest
import torch
from PIL import Image

from happyhorse.bounce import Fall
from happyhorse.engines.catalog import NANO
from happyhorse.engines.local import FILES, LocalEngine
from happyhorse.engines.local_notes import notes_of
from happyhorse.engines.plan import plan
from happyhorse.engines.run import run
from happyhorse.errors import Canceled, Unsupported, WeightsMissing
from happyhorse.media.picture import fit
from happyhorse.media.read import decode_audio, decode_image, decode_video, probe
from happyhorse.model.audio_vae import AudioVae
from happyhorse.model.checkpoint import load_checkpoint, save_checkpoint
from happyhorse.request import parse_request
from happyhorse.speech.phonemes import IMPACT, phoneme_id

SILENT = "A woman with red hair in a green jacket stands in a kitchen"


@pytest.fixture(scope="module")
def engine():
    return LocalEngine.from_package("nano")


def decided(prompt=SILENT, **fields):
    request = parse_request({"prompt": prompt, "duration": 3, "resolution": "480P", "seed": 5, **fields})
    return plan(request, NANO, media={})


def make(engine, path, **fields):
    run(engine, decided(**fields), path, on_progress=lambda _: None)
    return np.asarray(decode_video(path)), decode_audio(path)


def from_waves(path, prompt, *, size, period):
    """A plan whose first frame has waves that many pixels long."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    waves = [128 + 100 * np.sin(columns / period), 255 * rows / size[1], 128 + 90 * np.cos(rows / period)]
    Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(path)
    fields = {"prompt": prompt, "duration": 3, "resolution": "480P", "seed": 5, "image": str(path)}
    return plan(parse_request(fields), NANO, media={str(path): probe(path, kind="image")})


def test_a_clip_has_the_planned_size_length_and_sound(engine, tmp_path):
    path = tmp_path / "clip.mp4"
    reports = []
    clip = run(engine, decided(ratio="9:16"), path, on_progress=reports.append)
    info = probe(path)
    assert (info.width, info.height, info.num_frames, info.has_audio) == (480, 848, 75, True)
    assert clip.weights_hash == engine.capabilities.weights_hash != ""
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    steps = [report for report in reports if report.stage == "base"]
    assert [report.step for report in steps] == list(range(1, 9))
    sizes = {Image.open(io.BytesIO(report.preview)).size for report in steps}
    assert sizes == {(136, 240)}


@pytest.mark.parametrize(("size", "period", "too_fine"), [((640, 360), 60, False), ((300, 400), 4, True)])
def test_a_picture_unlike_the_world_stays_itself_and_one_that_is_too_fine_is_not_even_tried(
    engine, tmp_path, size, period, too_fine
):
    path = tmp_path / "first.png"
    the_plan = from_waves(path, "Rain.", size=size, period=period)
    clip = run(engine, the_plan, tmp_path / "clip.mp4", on_progress=lambda _: None)
    given = fit(decode_image(path, crop=the_plan.crop), (the_plan.width, the_plan.height))
    frames = decode_video(tmp_path / "clip.mp4")
    for frame in (frames[0], frames[len(frames) // 2], frames[-1]):
        assert np.abs(frame.astype(float) - given).mean() < 4
    assert any("it stays as it is" in note for note in clip.notes) == too_fine


@pytest.mark.slow
def test_same_seed_gives_the_same_file_and_another_seed_another(engine, tmp_path):
    written = []
    for seed in (5, 5, 6):
        run(engine, decided(seed=seed), tmp_path / "a.mp4", on_progress=lambda _: None)
        written.append(
            ((tmp_path / "a.mp4").read_bytes(), np.stack(decode_video(tmp_path / "a.mp4", size=(424, 240))))
        )
    (file, frames), (again, _), (_, other) = written
    assert file == again
    assert np.abs(frames.astype(int) - other).mean() > 1


def test_cancel_within_a_step_leaves_no_file(engine, tmp_path):
    steps = []

    def stop(report):
        if report.stage == "base":
            steps.append(report.step)
            raise Canceled

    with pytest.raises(Canceled):
        run(engine, decided(), tmp_path / "clip.mp4", on_progress=stop)
    assert steps == [1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_noise_on_the_weights_changes_the_clip(engine, tmp_path):
    frames, _ = make(engine, tmp_path / "a.mp4")
    weights = engine.weights
    noisy = load_checkpoint_copy(weights.checkpoint)
    with torch.no_grad():
        for parameter in noisy.model.block.parameters():
            parameter.add_(0.2 * parameter.std() * torch.randn_like(parameter))
    changed = LocalEngine(NANO, dataclasses.replace(weights, checkpoint=noisy))
    other, _ = make(changed, tmp_path / "b.mp4")
    assert np.abs(frames.astype(int) - other).mean() > 3


def load_checkpoint_copy(checkpoint):
    return dataclasses.replace(checkpoint, model=copy.deepcopy(checkpoint.model))


@pytest.mark.slow
def test_generating_needs_neither_the_world_nor_skia(tmp_path):
    code = """
import sys
sys.modules["skia"] = None
sys.modules["happyhorse.world"] = None
sys.modules["happyhorse.training"] = None
from happyhorse.cli.app import main
main(["generate", "A man speaks", "-o", sys.argv[1], "--resolution", "480P", "--duration", "3", "--json"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "c.mp4")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["engine"] == "nano"


def test_an_engine_without_shipped_weights_is_refused():
    with pytest.raises(Unsupported, match="testcard"):
        LocalEngine.from_package("testcard")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_cut_weights_file_is_named(engine, tmp_path, name):
    folder = tmp_path / "weights"
    copytree(str(resources.files("happyhorse") / "weights" / "nano"), folder)
    path = folder / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(WeightsMissing, match=name):
        LocalEngine.from_folder("nano", folder)
    path.unlink()
    with pytest.raises(WeightsMissing, match=name):
        LocalEngine.from_folder("nano", folder)


def test_int8_storage_says_nearly_the_same_velocity(engine, tmp_path):
    checkpoint = engine.weights.checkpoint
    save_checkpoint(checkpoint, tmp_path / "t.safetensors", storage="int8")
    stored = load_checkpoint(tmp_path / "t.safetensors")
    for (name, ours), theirs in zip(
        checkpoint.model.named_parameters(), stored.model.parameters(), strict=True
    ):
        torch.testing.assert_close(
            theirs, ours, atol=0.02 * float(ours.detach().abs().max()) + 1e-6, rtol=0, msg=name
        )


def test_the_sound_lasts_as_long_as_the_picture_before_it_is_cut(engine):
    latents = torch.zeros(1, 77, 64)
    assert AudioVae.decode(engine.weights.audio_vae, latents).shape == (1, 77 * 1920)


def test_the_network_is_told_of_a_camera_that_stands_still(engine):
    encoder = engine.weights.text
    prompt = "A woman with red hair. The camera pans left."
    values = dict(encoder.config.attributes)["move"]

    def moves(rows):
        scores = dict(zip(dict(encoder.config.attributes), encoder.logits(rows), strict=True))["move"]
        return [(*values, None)[i] for i in scores.argmax(-1).tolist()]

    asked = encoder.encode([prompt])
    told = engine._told(prompt)[:1]
    assert "pan left" in moves(asked)
    assert moves(told) == ["locked"]
    assert (asked != told).any(-1).sum() == 1


def knocks(events):
    return [(start, duration) for symbol, start, duration in events if symbol == phoneme_id(IMPACT)]


def test_a_ball_knocks_when_it_falls_as_the_seed_has_it_and_a_person_does_not(engine, tmp_path):
    ball = "A red ball falls on a table in a kitchen"
    fallen = [(one.time_s, one.sound_s) for one in Fall.sample(5).impacts(3.0)]
    assert knocks(engine.spoken(decided(ball))) == fallen
    assert len(fallen) >= 1
    assert knocks(engine.spoken(decided())) == []
    drawn = from_waves(tmp_path / "a.png", ball, size=(640, 360), period=60)
    assert knocks(engine.spoken(drawn)) == fallen
    beyond = from_waves(tmp_path / "b.png", ball, size=(300, 400), period=4)
    assert knocks(engine.spoken(beyond)) == []


def test_a_line_and_impacts_are_told_in_the_order_of_the_clip(engine):
    events = engine.spoken(decided('A red ball falls on a table. A voice says: "Here it comes!"'))
    assert len(events) > len(knocks(events)) > 0
    assert [start for _, start, _ in events] == sorted(start for _, start, _ in events)


def said_of(engine, prompt):
    the_plan = decided(prompt)
    return " ".join(notes_of(the_plan, *engine._understand(the_plan), still=False))


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("A woman in a green jacket holds a red ball.", "a person or a ball: here it is the person"),
        ("A red ball bounces on a table. A woman watches it.", "a person or a ball: here it is the "),
        ("A man with a red beanie in a forest.", "a hat has the colour of the top"),
    ],
)
def test_what_the_world_has_but_not_together_is_said(engine, prompt, said):
    assert said in said_of(engine, prompt)


def test_nothing_is_missed_where_all_is_there(engine):
    for prompt in ("A red ball bounces on a table.", SILENT, 'A man says: "The ball is round."'):
        assert "nano" not in said_of(engine, prompt)

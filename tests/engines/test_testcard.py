"""The test card, through real plans: every mode, real progress, the same seed the same clip."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from happyhorse.engines.catalog import TESTCARD
from happyhorse.engines.plan import plan
from happyhorse.engines.run import run as run_engine
from happyhorse.engines.testcard import TestcardEngine, tone
from happyhorse.errors import Canceled, MediaError
from happyhorse.media.picture import fit
from happyhorse.media.read import decode_audio, decode_image, decode_video, probe
from happyhorse.request import parse_request


def planned(**fields):
    request = parse_request(
        {"prompt": "A woman waves in the park.", "seed": 7, "resolution": "480P", "duration": 3, **fields}
    )
    named = [request.image, *request.references, request.video, request.voice]
    return plan(request, TESTCARD, media={one.key: probe(Path(one.key)) for one in named if one is not None})


def run(the_plan, path, seconds=0.0, on_progress=lambda progress: None):
    return run_engine(TestcardEngine(seconds), the_plan, path, on_progress=on_progress)


def photo(path, width=480, height=420, seed=0):
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return str(path)


def test_the_file_is_what_the_plan_and_the_output_say(tmp_path):
    the_plan = planned(ratio="9:16")
    output = run(the_plan, tmp_path / "x.mp4")
    info = probe(tmp_path / "x.mp4", kind="video")
    assert (info.width, info.height, info.num_frames, info.has_audio) == (480, 848, 75, True)
    assert (output.width, output.height, output.num_frames, output.duration_s) == (480, 848, 75, 3.0)
    assert (output.engine, output.seed, output.size_bytes) == ("testcard", 7, info.size_bytes)
    assert "made by no network" in output.notes[-1]


def test_the_same_seed_makes_the_same_clip_and_another_seed_another(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        run(planned(seed=seed), tmp_path / f"{name}.mp4")
    a, b, c = (decode_video(tmp_path / f"{name}.mp4", max_seconds=0.4) for name in "abc")
    assert np.array_equal(a, b)
    assert (np.abs(a.astype(int) - c).max(axis=(1, 2, 3)) > 60).all()
    first, second, third = (decode_audio(tmp_path / f"{name}.mp4") for name in "abc")
    assert np.array_equal(first, second)
    assert np.abs(first - third).max() > 0.1


def test_the_clock_moves_in_every_frame(tmp_path):
    run(planned(), tmp_path / "x.mp4")
    frames = decode_video(tmp_path / "x.mp4", size=(212, 120)).astype(int)
    assert (np.abs(np.diff(frames, axis=0)).max(axis=(1, 2, 3)) > 60).all()


def test_the_tone_steps_up_each_second():
    samples = tone(0, 4 * 48000)[0]
    pitches = [int(np.abs(np.fft.rfft(samples[s * 48000 : (s + 1) * 48000])).argmax()) for s in range(4)]
    assert pitches == [220, 247, 277, 294]


def test_a_first_frame_is_shown_first_and_upright(tmp_path):
    image = photo(tmp_path / "x.png")
    the_plan = planned(image=image)
    run(the_plan, tmp_path / "x.mp4")
    expected = fit(decode_image(tmp_path / "x.png", crop=the_plan.crop), (the_plan.width, the_plan.height))
    frames = decode_video(tmp_path / "x.mp4", max_seconds=0.1)
    assert np.abs(frames[0].astype(int) - expected).mean() < 3
    assert np.abs(frames[1].astype(int) - expected).mean() > 3


@pytest.mark.parametrize("count", [3, pytest.param(9, marks=pytest.mark.slow)])
def test_references_are_tiles_in_their_order(tmp_path, count):
    references = []
    for number in range(count):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (400, 400), (number * 28, 255 - number * 28, 90)).save(path)
        references.append(str(path))
    run(planned(references=references), tmp_path / "x.mp4")
    frame = decode_video(tmp_path / "x.mp4", max_seconds=0.1)[1].astype(int)
    row = frame[50]
    found = [np.abs(row - (number * 28, 255 - number * 28, 90)).max(axis=1) < 10 for number in range(count)]
    middles = [float(np.flatnonzero(hits).mean()) for hits in found]
    assert middles == sorted(middles)


def test_an_edit_lies_over_its_source_and_keeps_its_sound(tmp_path):
    run(planned(ratio="1:1"), tmp_path / "source.mp4")
    the_plan = planned(video=str(tmp_path / "source.mp4"), resolution="720P", duration=None, seed=99)
    run(the_plan, tmp_path / "x.mp4")
    source = decode_video(tmp_path / "source.mp4", size=(96, 96)).astype(int)
    edited = decode_video(tmp_path / "x.mp4", size=(96, 96)).astype(int)
    assert len(edited) == len(source) == 75
    assert np.abs(edited[:, :50] - source[:, :50]).mean() < 4
    before, after = (decode_audio(tmp_path / name, channels=1)[0] for name in ("source.mp4", "x.mp4"))
    assert np.corrcoef(before, after)[0, 1] > 0.98


def test_without_sound_the_file_has_no_sound_stream(tmp_path):
    run(planned(no_audio=True), tmp_path / "x.mp4")
    assert not probe(tmp_path / "x.mp4").has_audio


def test_a_watermark_is_seen_bottom_right(tmp_path):
    run(planned(), tmp_path / "x.mp4")
    run(planned(watermark=True), tmp_path / "y.mp4")
    x, y = (decode_video(tmp_path / name, max_seconds=0.2)[2].astype(int) for name in ("x.mp4", "y.mp4"))
    difference = np.abs(x - y).max(axis=2)
    assert difference[-60:, -300:].max() > 60
    assert difference[:300].max() < 20


def test_progress_never_goes_back_and_ends_at_one(tmp_path):
    reports = []
    run(planned(), tmp_path / "x.mp4", 0.5, reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [report.step for report in reports if report.stage == "base"][-1] == 8
    assert {report.stage for report in reports} == {"prepare", "base", "decode", "finish"}
    assert all(report.eta_s is None or report.eta_s >= 0 for report in reports)


def test_previews_are_small_pictures_of_the_clip(tmp_path):
    seen = []
    run(planned(), tmp_path / "x.mp4", on_progress=seen.append)
    previews = [Image.open(io.BytesIO(one.preview)) for one in seen if one.preview is not None]
    assert [picture.size for picture in previews] == [(240, 136)] * 3
    wanted = np.asarray(Image.fromarray(decode_video(tmp_path / "x.mp4")[25]).resize((240, 136)), float)
    assert np.abs(np.asarray(previews[1], float) - wanted).mean() < 8


def test_a_run_lasts_as_long_as_asked_and_its_estimate_holds(tmp_path):
    reports = []
    start = time.monotonic()
    run(planned(), tmp_path / "x.mp4", 1.0, lambda report: reports.append((time.monotonic() - start, report)))
    assert time.monotonic() - start >= 1.0
    waiting = [report.fraction for moment, report in reports if 0.1 < moment < 0.9]
    assert len(set(waiting)) > 4


@pytest.mark.parametrize("stage", ["prepare", "base", "decode", "finish"])
def test_a_cancel_stops_within_one_step_and_leaves_nothing(tmp_path, stage):
    def cancel(report):
        if report.stage == stage:
            raise Canceled

    start = time.monotonic()
    with pytest.raises(Canceled):
        run(planned(), tmp_path / "x.mp4", 0.5 if stage != "base" else 60.0, cancel)
    assert time.monotonic() - start < 10
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_vanished_after_planning_is_named(tmp_path):
    the_plan = planned(image=photo(tmp_path / "x.png"))
    (tmp_path / "x.png").unlink()
    with pytest.raises(MediaError, match=r"image: .*x\.png does not exist"):
        run(the_plan, tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []

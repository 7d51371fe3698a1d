"""`generate --draft` leaves a take; `refine` draws that take at full size, and what has none is told so."""

import json

import numpy as np
import pytest
from PIL import Image

from happyhorse.cli.app import main
from happyhorse.media.read import decode_video, probe

SAY = "A woman with red hair in a green jacket stands in a kitchen"


@pytest.fixture
def run(capsys):
    """Run a command in this process; returns its exit code, stdout and stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return call


@pytest.mark.slow
def test_a_draft_is_refined_as_it_was(run, tmp_path):
    draft, full = tmp_path / "draft.mp4", tmp_path / "full.mp4"
    assert run("generate", SAY, "--draft", "--duration", 3, "-o", draft)[0] == 0
    assert (tmp_path / "draft.take").stat().st_size < 1_000_000
    code, said, _ = run("refine", draft, "--resolution", "480P", "-o", full, "--json")
    assert code == 0
    assert json.loads(said)["width"] == 848
    info = probe(full)
    assert (info.width, info.height, info.num_frames) == (848, 480, 75)
    small = decode_video(draft)
    assert small[0].shape == (128, 224, 3)
    large = decode_video(full, size=(224, 128))
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(small, large, strict=True)]
    assert max(errors) < 8, "the refined clip shows the draft's own pictures"


@pytest.mark.slow
def test_a_draft_is_refined_from_elsewhere_but_not_with_another_picture(run, tmp_path, monkeypatch):
    (tmp_path / "else").mkdir()
    for number in (0, 1):
        Image.new("RGB", (640, 360), (200, 40 + 100 * number, 90)).save(tmp_path / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    drafted = ("generate", SAY, "--engine", "testcard", "--draft", "--duration", 3, "--image", "0.png")
    assert run(*drafted, "-o", "draft.mp4")[0] == 0
    monkeypatch.chdir(tmp_path / "else")
    assert run("refine", "../draft.mp4", "--resolution", "480P", "-o", "full.mp4")[0] == 0
    (tmp_path / "1.png").replace(tmp_path / "0.png")
    code, _, said = run("refine", "../draft.mp4", "-o", "again.mp4")
    assert code == 2
    assert "0.png' has changed since the draft was made" in said


def test_what_has_no_take_is_told(run, tmp_path):
    code, _, said = run("refine", tmp_path / "no.mp4")
    assert code == 2
    assert "no.mp4' does not exist" in said
    clip, output = tmp_path / "plain.mp4", tmp_path / "o.mp4"
    clip.write_bytes(b"x")
    code, _, said = run("refine", clip, "-o", output)
    assert code == 2
    assert "has no take beside it ('plain.take'); only a clip made with --draft can be refined" in said
    (tmp_path / "plain.take").write_bytes(b"broken")
    said = run("refine", clip, "-o", output)[2]
    assert "'plain.take': the take cannot be read (" in said
    assert "; make the draft again" in said
    assert "would be overwritten" in run("refine", clip, "-o", clip)[2]
    assert not output.exists()

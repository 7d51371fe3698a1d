import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from PIL import Image

from happyhorse.cli import app as cli

PROMPT = "A potter turns a bowl in a bright workshop."


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        with pytest.raises(SystemExit) as caught:
            cli.main(list(args))
        out, err = capsys.readouterr()
        return caught.value.code or 0, out, err

    return call


def refused(result, *said):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert 1 <= len(err.strip().splitlines()) <= 2
    assert "Traceback" not in err
    for part in said:
        assert part in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([""], "prompt is empty"),
        (["  \n "], "prompt is empty"),
        (["🐎🔥🎬"], "prompt has no words"),
        ([PROMPT, "--duration", "2"], "duration must be a whole number of seconds from 3 to 15; got '2'"),
        ([PROMPT, "--duration", "16"], "got '16'"),
        ([PROMPT, "--duration", "5.5"], "got '5.5'"),
        ([PROMPT, "--resolution", "4K"], "resolution must be one of 480P, 720P, 1080P; got '4K'"),
        ([PROMPT, "--ratio", "2:1"], "ratio must be one of 16:9"),
        ([PROMPT, "--seed", "-1"], "seed must be a whole number from 0 to 2147483647; got '-1'"),
        ([PROMPT, *["--ref", "a.png"] * 10], "references takes at most 9 images; got 10"),
        ([PROMPT, "--engine", "sora"], "engine must be one of nano, testcard; got 'sora'"),
        ([PROMPT, "--image", "a.png", "--video", "b.mp4"], "image and video cannot be combined"),
        ([PROMPT, "--image", "https://x.test/a.png"], "image must be a local file"),
        ([PROMPT, "--audio", "loud"], "audio must be auto, retain"),
        (["bad \ud800 prompt"], "prompt must be text"),
    ],
)
def test_a_bad_request_is_refused_in_one_line(run, tmp_path, args, said):
    refused(run("generate", *args), said)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_cannot_names_those_that_can(run, tmp_path):
    Image.new("RGB", (640, 400)).save(tmp_path / "in.png")
    refused(
        run("generate", PROMPT, "--image", "in.png"),
        "nano has no weights for i2v",
        "engines that can: testcard",
    )


def test_images_that_break_a_limit_are_refused(run, tmp_path):
    Image.new("RGB", (10, 10)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("this is a text")
    still = Image.new("RGB", (400, 400))
    still.save(tmp_path / "moving.webp", save_all=True, append_images=[Image.new("RGB", (400, 400), "red")])
    make = ("generate", PROMPT, "--engine", "testcard", "--image")
    refused(run(*make, "absent.png"), "image", "absent.png")
    refused(run(*make, "small.png"), "image is 10x10 pixels; both sides must be at least 300")
    refused(run(*make, "text.png"), "image")
    refused(run(*make, "moving.webp"), "image is animated")
    assert not (tmp_path / "clip.mp4").exists()


def test_the_output_is_checked_before_any_work(run, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    make = ("generate", PROMPT, "--engine", "testcard", "--testcard-seconds", "60", "-o")
    refused(run(*make, "absent/clip.mp4"), "output", "absent")
    refused(run(*make, "folder.mp4"), "output", "folder.mp4")
    refused(run(*make, "clip.gif"), "output must be a name that ends in .mp4; got 'clip.gif'")


def test_a_full_disk_is_said_before_any_work(run, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    refused(run("generate", PROMPT, "--engine", "testcard"), "output needs about", "0.0 MB are free")


def test_a_plan_runs_nothing_and_prints_everything(run, tmp_path):
    code, out, _ = run("generate", PROMPT, "--plan", "--seed", "7")
    assert code == 0
    for part in ("nano", "1280x720", "224x128", "125 frames", "seed", "7", "USD", "GB"):
        assert part in out
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_json_too_and_says_a_cut_prompt(run):
    code, out, _ = run("generate", "a " * 3000, "--plan", "--json", "--ratio", "9:16", "--duration", "3")
    decided = json.loads(out)
    assert code == 0
    assert (decided["width"], decided["height"], decided["num_frames"]) == (720, 1280, 75)
    assert any("cut at character 5000" in note for note in decided["notes"])


def test_a_clip_is_made_with_progress_and_a_closing_line(run, tmp_path):
    args = (
        "generate",
        PROMPT,
        "--engine",
        "testcard",
        "--duration",
        "3",
        "--resolution",
        "480p",
        "--seed",
        "5",
    )
    code, out, err = run(*args, "-o", "a.mp4")
    assert code == 0
    assert (tmp_path / "a.mp4").stat().st_size > 10_000
    for part in ("a.mp4", "848x480", "3 s", "seed 5", "engine testcard", "MB"):
        assert part in out
    assert "100%" in err


def test_a_clip_can_be_reported_as_json_alone(run):
    code, out, err = run(
        "generate", PROMPT, "--engine", "testcard", "--duration", "3", "--resolution", "480P", "--json"
    )
    assert code == 0
    assert err == ""
    assert json.loads(out)["num_frames"] == 75


def test_an_input_is_never_overwritten(run, tmp_path):
    run("generate", PROMPT, "--engine", "testcard", "--duration", "3", "--resolution", "480P", "-o", "in.mp4")
    before = (tmp_path / "in.mp4").read_bytes()
    refused(
        run("generate", PROMPT, "--engine", "testcard", "--video", "in.mp4", "-o", "in.mp4"), "also an input"
    )
    assert (tmp_path / "in.mp4").read_bytes() == before


def test_ctrl_c_ends_at_once_and_leaves_the_old_file_whole(tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"the old clip")
    args = ["generate", PROMPT, "--engine", "testcard", "--testcard-seconds", "60", "-o", str(clip)]
    code = f"from happyhorse.cli.app import main; main({args!r})"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert child.stderr.readline().startswith("prepare")
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=10)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert clip.read_bytes() == b"the old clip"


def test_a_prompt_is_shown_and_printed_as_json(run):
    text = 'Subject: a potter [no markup]. Audio: she says "The clay is warm."'
    code, out, _ = run("prompt", text)
    assert code == 0
    assert "a potter [no markup]" in out
    assert "The clay is warm. (en" in out
    read = json.loads(run("prompt", text, "--json")[1])
    assert read["parts"]["subject"] == "a potter [no markup]"
    assert set(read) >= {"parts", "language", "lines", "references", "findings"}


def test_unknown_options_and_commands_exit_2(run):
    assert run("generate", PROMPT, "--sneed", "1")[0] == 2
    assert run("generat")[0] == 2


def test_help_and_version_answer(run):
    assert "generate" in run("--help")[1]
    assert run("--version")[1].strip()


def test_goldens_of_an_absent_folder_are_refused_and_an_empty_one_fails(run, tmp_path):
    refused(run("verify", "goldens", "absent"), "folder 'absent' does not exist")
    code, out, _ = run("verify", "goldens", str(tmp_path))
    assert code == 1
    assert "0 outputs compared" in out

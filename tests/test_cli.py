import io
import json
import os
import signal
import subprocess
import sys
import wave
from types import SimpleNamespace

import pytest
from PIL import Image
from rich.console import Console

from happyhorse.cli import app as cli
from happyhorse.prompt.read import read_prompt
from happyhorse.prompt.view import print_prompt

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


@pytest.mark.parametrize("only_planned", [(), ("--plan",)])
@pytest.mark.parametrize("silent_s", [3, 5])
def test_a_voice_that_is_not_heard_is_refused_in_the_plan(run, silent_s, only_planned):
    with wave.open("v.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8000 * silent_s))
        file.writeframes(bytes([0, 64, 0, 192] * 4000 * (silent_s - 3)))
    asked = (
        "generate",
        PROMPT,
        "--engine",
        "magihuman",
        "--duration",
        "4",
        "--voice",
        "v.wav",
        *only_planned,
    )
    played_s = f"{min(silent_s, 4):.2f}"
    refused(
        run(*asked),
        f"--voice is silent in its first {played_s} s, all that is played; it must hold the speech",
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([""], "prompt is empty"),
        (["  \n "], "prompt is empty"),
        (["🐎🔥🎬"], "prompt has no words"),
        ([PROMPT, "--duration", "2"], "--duration must be a whole number of seconds from 3 to 15; got '2'"),
        ([PROMPT, "--duration", "16"], "got '16'"),
        ([PROMPT, "--duration", "5.5"], "got '5.5'"),
        ([PROMPT, "--resolution", "4K"], "--resolution must be one of 480P, 720P, 1080P; got '4K'"),
        ([PROMPT, "--ratio", "2:1"], "--ratio must be one of 16:9"),
        ([PROMPT, "--seed", "-1"], "--seed must be a whole number from 0 to 2147483647; got '-1'"),
        ([PROMPT, *["--ref", "a.png"] * 10], "--ref takes at most 9 images; got 10"),
        (
            [PROMPT, "--engine", "sora"],
            "--engine must be one of nano, magihuman, magihuman-base, hosted, testcard; got 'sora'",
        ),
        ([PROMPT, "--image", "a.png", "--video", "b.mp4"], "--image and --video cannot be combined"),
        (
            [PROMPT, "--reframe", "1:1"],
            "--reframe crops a first frame and there is no image; set --ratio instead",
        ),
        (
            [PROMPT, "--character", "character1=1,2"],
            "--character names reference images and there are none; add --ref",
        ),
        (
            [PROMPT, "--video", "b.mp4", "--no-audio", "--audio", "retain"],
            "--no-audio and --audio retain contradict",
        ),
        ([PROMPT, "--ratio", "set ratio"], "got 'set ratio'"),
        ([PROMPT, "--image", "https://x.test/a.png"], "--image must be a local file"),
        ([PROMPT, "--audio", "loud"], "--audio must be auto, retain"),
        (["bad \ud800 prompt"], "prompt must be text"),
    ],
)
def test_a_bad_request_is_refused_in_one_line(run, tmp_path, args, said):
    refused(run("generate", *args), said)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_cannot_names_those_that_can(run, tmp_path):
    Image.new("RGB", (640, 400)).save(tmp_path / "in.png")
    refused(
        run("generate", PROMPT + " with character1", "--ref", "in.png"),
        "nano has no weights for r2v",
        "engines that can: hosted, testcard",
    )


def test_images_that_break_a_limit_are_refused(run, tmp_path):
    Image.new("RGB", (10, 10)).save(tmp_path / "small.png")
    (tmp_path / "text.png").write_text("this is a text")
    still = Image.new("RGB", (400, 400))
    still.save(tmp_path / "moving.webp", save_all=True, append_images=[Image.new("RGB", (400, 400), "red")])
    make = ("generate", PROMPT, "--engine", "testcard", "--image")
    refused(run(*make, "absent.png"), "--image: absent.png does not exist")
    long = run(*make, "a" * 4000)
    refused(long, "--image: aaa", "File name too long")
    assert len(long[2]) < 300
    refused(run(*make, "small.png"), "--image is 10x10 pixels; both sides must be at least 300")
    refused(run(*make, "text.png"), "--image: text.png is not an image but text")
    refused(run(*make, "moving.webp"), "--image is animated")
    still.save(tmp_path / "fine.png")
    two = ("generate", PROMPT, "--engine", "testcard", "--ref", "fine.png", "--ref")
    refused(run(*two, "small.png"), "--ref 2 is 10x10 pixels; both sides must be at least 400")
    assert not (tmp_path / "clip.mp4").exists()


def test_the_output_is_checked_before_any_work(run, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    make = ("generate", PROMPT, "--engine", "testcard", "--testcard-seconds", "60", "-o")
    refused(run(*make, "absent/clip.mp4"), "output", "absent")
    refused(run(*make, "folder.mp4"), "output", "folder.mp4")
    refused(run(*make, "clip.gif"), "--output must be a name that ends in .mp4; got 'clip.gif'")
    refused(run(*make, ""), "--output must be a name that ends in .mp4; it is empty")


def test_a_full_disk_is_said_before_any_work(run, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    refused(run("generate", PROMPT, "--engine", "testcard"), "--output needs about", "0.0 MB are free")


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


@pytest.mark.parametrize("moment", ["prepare", "base"])
def test_ctrl_c_says_one_word_and_leaves_the_old_file_whole(tmp_path, moment):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"the old clip")
    small = ["--duration", "3", "--resolution", "480P", "--testcard-seconds", "8"]
    args = ["generate", PROMPT, "--engine", "testcard", *small, "-o", str(clip)]
    code = f"from happyhorse.cli.app import main; main({args!r})"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not child.stderr.readline().startswith(moment):
        assert child.poll() is None
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: helper processes get it too
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert clip.read_bytes() == b"the old clip"


def test_ctrl_c_is_answered_before_anything_is_loaded():
    code = (
        "import sys, os, signal\n"
        "class Press:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Press())\n"
        "from happyhorse.cli.app import main; main(['--version'])"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (child.returncode, child.stderr) == (130, "interrupted\n")


def test_a_prompt_is_shown_and_printed_as_json(run):
    text = 'Subject: a potter [no markup]. Audio: she says "The clay is warm."'
    code, out, _ = run("prompt", text)
    assert code == 0
    assert "a potter [no markup]" in out
    assert "The clay is warm. (en" in out
    read = json.loads(run("prompt", text, "--json")[1])
    assert read["parts"]["subject"] == "a potter [no markup]"
    assert set(read) >= {"parts", "language", "lines", "references", "findings"}


def test_what_is_read_of_a_prompt_is_folded_on_a_terminal_and_nowhere_else(run):
    words = " ".join(f"word{number}" for number in range(60))
    text = f'A baker lifts a loaf and says: "Fresh and warm!", {words}'
    lines = run("prompt", text)[1].splitlines()
    assert lines[0] == text
    assert [line for line in lines if line != line.rstrip()] == []
    assert sum("word59" in line for line in lines) == sum("word0 " in line for line in lines) >= 2
    told = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    print_prompt(read_prompt(text), told)
    assert max(map(len, told.file.getvalue().splitlines())) <= 80


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["generate", PROMPT, "--sneed", "1"], "--seed"),
        (["generate", PROMPT, "--seed"], "'--seed' requires an argument"),
        (["generate", PROMPT, "second"], "second"),
        (["generate", PROMPT, "--testcard-seconds", "long"], "--testcard-seconds"),
        (["generat"], "Did you mean 'generate'?"),
        (["prompt", PROMPT, "--duration", "-1"], "--duration"),
    ],
)
def test_a_wrong_use_is_said_in_two_lines(run, args, said):
    refused(run(*args), said)


@pytest.mark.parametrize(
    ("args", "code", "field", "said"),
    [
        (
            ["generate", PROMPT, *["--ref", "a.png"] * 10],
            "invalid_request",
            "references",
            "--ref takes at most",
        ),
        (
            ["generate", PROMPT, "--image", "no.png", "--engine", "testcard"],
            "invalid_media",
            "image",
            "no.png",
        ),
        (
            ["generate", PROMPT, "--engine", "testcard", "--ref", "no.png"],
            "invalid_media",
            "references",
            "--ref 1",
        ),
        (["generate", PROMPT, "--sneed", "1"], "usage", None, "--sneed"),
        (["prompt", PROMPT, "--mode", "x"], "invalid_request", "mode", "--mode must be one of"),
    ],
)
def test_with_json_an_error_is_json_too(run, args, code, field, said):
    exit_code, out, err = run(*args, "--json")
    error = json.loads(out)["error"]
    assert (exit_code, err) == (2, "")
    assert (error["code"], error["field"]) == (code, field)
    assert said in error["message"]


def test_the_test_cards_plan_claims_no_network(run):
    code, out, _ = run("generate", PROMPT, "--engine", "testcard", "--plan")
    assert code == 0
    assert "testcard, no network" in out
    assert "none" not in out
    assert "drawn at" not in out


def test_a_local_file_is_one_whatever_its_name_looks_like(run, tmp_path):
    Image.new("RGB", (640, 360)).save(tmp_path / "file-abc", format="png")
    make = ("generate", PROMPT, "--engine", "testcard", "--plan", "--json", "--image")
    decided = json.loads(run(*make, "file-abc")[1])
    assert decided["image"]["path"].endswith("file-abc")
    assert json.loads(run(*make, "file-abd")[1])["error"]["field"] == "image"


@pytest.mark.parametrize(
    ("shell", "typed", "offered"),
    [
        ("bash", ["gen"], "generate"),
        ("bash", ["generate", "--resol"], "--resolution"),
        ("bash", ["generate", "--ratio", "21"], "21:9"),
        ("zsh", ["generate", "--resol"], "--resolution"),
        ("fish", ["generate", "--resol"], "--resolution"),
    ],
)
def test_the_shell_completes(run, monkeypatch, shell, typed, offered):
    line = " ".join(["happyhorse", *typed])
    monkeypatch.setenv("_HAPPYHORSE_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(typed)))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    code, out, _ = run()
    assert code == 0
    assert offered in out


def test_help_and_version_answer(run):
    assert "generate" in run("--help")[1]
    assert run("--version")[1].strip()


def test_goldens_of_an_absent_folder_are_refused_and_an_empty_one_fails(run, tmp_path):
    refused(run("verify", "goldens", "absent"), "folder 'absent' does not exist")
    code, out, _ = run("verify", "goldens", str(tmp_path))
    assert code == 1
    assert "0 outputs compared" in out


def test_a_group_alone_shows_its_commands(run):
    code, out, err = run("keys")
    assert (code, err) == (0, "")
    assert "revoke" in out


def test_a_prompt_without_quotation_marks_is_told_of_them(run):
    refused(run("generate", "A", "potter"), "(potter)", "in quotation marks")


@pytest.mark.parametrize("typed", [("--references", "12"), ("--references=12",)])
def test_what_the_parser_refuses_is_shown(run, typed):
    refused(run("prompt", PROMPT, *typed), "--references", "got '12'")


def test_training_on_an_unknown_ratio_is_refused_before_anything_is_drawn(run):
    refused(run("train", "nano", "--ratio", "2:1"), "--ratio must be one of 16:9, 9:16, 1:1; got '2:1'")


@pytest.mark.parametrize("command", ["sheet", "sample"])
def test_the_world_is_not_drawn_for_a_file_that_cannot_be_written(run, command):
    refused(
        run("world", command, "-o", "no/world.gif"),
        "output must be a name that ends in .",
        "got 'no/world.gif'",
    )


def test_a_second_clip_does_not_take_the_place_of_the_first(run, tmp_path):
    for name in ("clip.mp4", "clip-2.mp4"):
        code, out, _ = run(
            "generate", PROMPT, "--engine", "testcard", "--duration", "3", "--resolution", "480P"
        )
        assert (code, out.partition(":")[0]) == (0, name)
        assert (tmp_path / name).exists()


def test_in_a_pipe_nothing_is_folded(run):
    code, out, _ = run("generate", PROMPT, "--engine", "testcard", "--plan")
    assert code == 0
    assert "no camera is named; name one, such as locked-off medium close-up or slow push-in" in out
    assert out == "\n".join(line.rstrip() for line in out.splitlines()) + "\n"

"""`generate --server` and `submit` against a real server with a real worker."""

import json

import pytest
from PIL import Image
from rig import PROMPT, listening, open_service, until, working

from happyhorse.cli import app as cli
from happyhorse.client import Client
from happyhorse.media.read import probe

SMALL = ("--duration", "3", "--resolution", "480P")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    service = open_service(folder)
    with listening(service) as url, working(service, folder, seconds=0.3):
        yield url
    service.close()


@pytest.fixture
def run(capsys, monkeypatch, tmp_path, server):
    monkeypatch.chdir(tmp_path)

    def call(command, *args):
        with pytest.raises(SystemExit) as caught:
            cli.main([command, *args, "--server", server])
        out, err = capsys.readouterr()
        return caught.value.code or 0, out, err

    return call


def test_a_clip_is_made_by_the_server_and_downloaded(run, tmp_path):
    for name in ("one.png", "file-two"):
        Image.new("RGB", (640, 640), "red").save(tmp_path / name, format="png")
    refs = ("--ref", "one.png", "--ref", "file-two", "--character", "character1=1,2")
    code, out, err = run("generate", PROMPT, *refs, *SMALL, "--seed", "5", "-o", "clip.mp4")
    assert code == 0
    assert out.startswith("clip.mp4: 848x480, 3 s, seed 5, engine testcard")
    assert "100%" in err
    assert probe(tmp_path / "clip.mp4").num_frames == 75
    assert sorted(place.name for place in tmp_path.iterdir()) == ["clip.mp4", "file-two", "one.png"]


def test_json_is_the_job_and_where_the_clip_lies(run):
    code, out, err = run("generate", PROMPT, *SMALL, "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert (facts["status"], facts["path"]) == ("succeeded", "clip.mp4")


def test_the_servers_plan_is_shown_and_nothing_is_made(run, server):
    with Client(server) as client:
        before = len(client.list(limit=100).data)
        code, out, _ = run("generate", PROMPT, *SMALL, "--plan")
        assert code == 0
        assert "848x480" in out
        assert "testcard, no network" in out
        assert len(client.list(limit=100).data) == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--duration", "2"], "--duration must be a whole number"),
        (["--image", "absent.png"], "--image: 'absent.png' does not exist"),
        (["--ref", "tiny.png"], "--ref 1 is 10x10 pixels"),
        (["-o", ""], "--output must be a name that ends in .mp4; it is empty"),
        (["--testcard-seconds", "5"], "--testcard-seconds is for a clip made here"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_typed(run, tmp_path, args, said):
    Image.new("RGB", (10, 10)).save(tmp_path / "tiny.png")
    code, out, err = run("generate", PROMPT, *args)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert [place.name for place in tmp_path.iterdir()] == ["tiny.png"]


def test_ctrl_c_cancels_the_job_there(run, server, monkeypatch):
    def pressed(client, job_id, *, quiet):
        raise KeyboardInterrupt

    monkeypatch.setattr("happyhorse.cli.remote._followed", pressed)
    code, _, err = run("generate", PROMPT, "--duration", "15")
    assert (code, err) == (130, "interrupted\n")
    with Client(server) as client:
        job = client.list(limit=1).data[0]
        until(lambda: client.get(job.id).status == "canceled")


def test_submit_prints_the_id_that_status_takes(run, server):
    code, out, _ = run("submit", PROMPT, *SMALL, "--no-audio", "--negative-prompt", "rain")
    assert code == 0
    assert out.strip() in run("status", out.strip())[1]
    with Client(server) as client:
        asked = client.get(out.strip()).facts["request"]
    assert (asked["no_audio"], asked["negative_prompt"], asked["duration"]) == (True, "rain", 3)


def test_a_watched_clip_is_downloaded_and_where_it_lies_is_said(run):
    _, out, _ = run("submit", PROMPT, *SMALL)
    code, said, err = run("watch", out.strip(), "-o", "no/clip.mp4")
    assert (code, said) == (2, "")
    assert err == "happyhorse: --output: the folder no does not exist\n"
    code, said, _ = run("watch", out.strip(), "-o", "watched.mp4")
    assert code == 0
    assert said.startswith("watched.mp4: 848x480, 3 s")


def test_the_list_shows_prompts_and_takes_a_state_that_exists(run):
    run("submit", PROMPT, *SMALL)
    assert PROMPT[:50] in run("list", "--limit", "1")[1]
    code, out, err = run("list", "--state", "done")
    assert (code, out) == (2, "")
    assert "--state must be one of queued, running, canceling, succeeded, failed, canceled; got 'done'" in err
    assert run("list", "--state", "failed") == (0, "", "no generations\n")

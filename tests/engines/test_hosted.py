"""The engine that forwards: planned here, made by a real application in this process that speaks the two dialects."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rig import PROMPT, listening, open_service, pipeline, png, submit, working

from happyhorse.cli import app as cli
from happyhorse.engines.catalog_hosted import hosted
from happyhorse.engines.hosted import HostedEngine
from happyhorse.engines.plan import plan
from happyhorse.errors import (
    Canceled,
    EngineError,
    InvalidRequest,
    RemoteError,
    RemoteRefused,
    RemoteTimeout,
    RemoteUnauthorized,
    RemoteUnreachable,
    Unsupported,
)
from happyhorse.jobs.job import JobError, Status
from happyhorse.jobs.reader import Filter
from happyhorse.media.read import probe
from happyhorse.media.write import encode
from happyhorse.request import parse_request
from happyhorse.settings import Settings

DIALECTS = ("dashscope", "replicate")
SHORT = {"prompt": PROMPT, "duration": 3, "resolution": "480P", "seed": 7, "engine": "hosted"}
both = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """The other server, with nobody who works. Yields its service, its URL and a key for it."""
    service = open_service(tmp_path_factory.mktemp("there"))
    _, key = service.keys.create("hosted")
    with listening(service, single_user=False) as url:
        yield service, url, key
    service.close()


@pytest.fixture
def engine(there):
    def build(dialect, **options):
        _, url, key = there
        return HostedEngine(hosted(dialect, url), options.pop("key", key), patience_s=0.5, **options)

    return build


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png((500, 500), seed=number))
    frames = np.random.default_rng(0).integers(0, 255, (1, 320, 320, 3), np.uint8).repeat(75, axis=0)
    encode(
        folder / "source.mp4", frames, size=(320, 320), audio=np.zeros((1, 48_000), np.float32), metadata={}
    )
    return folder


def planned(capabilities, **fields):
    request = parse_request({**SHORT, **fields})
    refs = (request.image, request.video, *request.references)
    media = {ref.key: probe(Path(ref.path)) for ref in refs if ref is not None}
    return plan(request, capabilities, media=media)


def quiet(_progress):
    pass


def newest(service):
    return service.store.list(Filter(), limit=1)[0][0]


# -- planning --------------------------------------------------------------------------------------------------------------


def test_the_plan_says_what_is_sent_where_and_who_charges(files):
    decided = planned(hosted("replicate", "https://clips.example/v1/"), image=str(files / "0.png"))
    said = next(note for note in decided.notes if note.startswith("sent to"))
    assert said.startswith(
        "sent to https://clips.example (replicate, model alibaba/happyhorse-1.1): the prompt, image (0."
    )
    assert "charged there" in said
    assert (decided.engine, decided.weights_id, decided.latent) == ("hosted", "happyhorse-1.1", None)


def test_prices_are_a_sheet_of_its_own():
    dear = hosted("dashscope", None, {"720P": 0.5})
    assert planned(dear, resolution="720P").price_usd == pytest.approx(1.5)
    assert planned(dear, resolution="1080P").price_usd == pytest.approx(3 * 0.312)


@pytest.mark.parametrize(
    ("dialect", "fields", "field", "said"),
    [
        ("dashscope", {"no_audio": True}, "no_audio", "hosted always makes sound"),
        ("dashscope", {"draft": True}, "draft", "no drafts"),
        ("dashscope", {"references": 2, "characters": ["character1=2"]}, "characters", "write [Image N] in the prompt"),
        ("replicate", {"references": 1}, "references", "takes 2 to 9 images as references"),
    ],
)  # fmt: skip
def test_what_the_models_have_no_field_for_is_refused_before_it_is_sent(files, dialect, fields, field, said):
    if "references" in fields:
        fields = {
            **fields,
            "references": [str(files / f"{number}.png") for number in range(fields["references"])],
        }
    with pytest.raises(Unsupported, match=re.escape(said)) as caught:
        planned(hosted(dialect), **fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dialect": "soap"}, "HAPPYHORSE_HOSTED_DIALECT must be one of dashscope, replicate; got 'soap'"),
        ({"dialect": "dashscope", "address": "ftp://x"}, "HAPPYHORSE_HOSTED_URL must be an http or https"),
        ({"dialect": "dashscope", "address": "https://me:secret@x"}, "without a user name"),
        ({"dialect": "dashscope", "prices": {"4K": 1.0}}, "must name some of 480P, 720P, 1080P; got '4K'"),
    ],
)
def test_a_wrong_setting_is_one_sentence_without_secrets(given, said):
    with pytest.raises(InvalidRequest, match=re.escape(said)) as caught:
        hosted(**given)
    assert "secret" not in caught.value.message


# -- orders ----------------------------------------------------------------------------------------------------------------

MODES = {
    "t2v": {"ratio": "9:16"},
    "i2v": {"image": "0.png"},
    "r2v": {"references": ["2.png", "0.png", "1.png"], "ratio": "4:5"},
    "edit": {"video": "source.mp4", "references": ["1.png"], "resolution": "720P", "audio": "retain"},
}


@both
@pytest.mark.parametrize("mode", MODES)
def test_an_order_arrives_as_it_was_planned(there, engine, files, dialect, mode):
    fields = dict(MODES[mode])
    for name in ("image", "video"):
        if name in fields:
            fields[name] = str(files / fields[name])
    if "references" in fields:
        fields["references"] = [str(files / name) for name in fields["references"]]
    runner = engine(dialect)
    decided = planned(runner.capabilities, watermark=mode == "t2v", **fields)
    take = runner.denoise(decided, on_progress=quiet)
    arrived = newest(there[0])
    facts = arrived.plan
    same = (
        "mode",
        "prompt",
        "seed",
        "resolution",
        "ratio",
        "width",
        "height",
        "num_frames",
        "sound",
        "watermark",
    )
    assert {name: facts[name] for name in same} == {name: getattr(decided, name) for name in same}
    kept = [(facts[name] or {}).get("sha256") for name in ("image", "video")]
    assert kept == [info and info.sha256 for info in (decided.image, decided.video)]
    assert [info["sha256"] for info in facts["references"]] == [info.sha256 for info in decided.references]
    assert there[2] not in str(take) + str(decided.to_dict())


@both
def test_a_first_frame_is_reframed_before_it_is_sent(there, engine, files, dialect):
    runner = engine(dialect)
    decided = planned(runner.capabilities, image=str(files / "0.png"), reframe="9:16")
    runner.denoise(decided, on_progress=quiet)
    facts = newest(there[0]).plan
    assert (facts["ratio"], facts["image"]["width"], facts["image"]["height"]) == ("9:16", 480, 848)


# -- the clip --------------------------------------------------------------------------------------------------------------


@both
def test_the_clip_is_followed_copied_and_described(tmp_path, dialect):
    service = open_service(tmp_path)
    seen = []
    with listening(service) as url, working(service, tmp_path, seconds=0.8):
        _, key = service.keys.create("hosted")
        runner = HostedEngine(hosted(dialect, url), key)
        decided = planned(runner.capabilities)
        take = runner.denoise(decided, on_progress=seen.append)
        clip = runner.render(decided, take, tmp_path / "copy.mp4", on_progress=seen.append)
        there = newest(service)
    assert (tmp_path / "copy.mp4").read_bytes() == service.blobs.path(there.output["sha256"]).read_bytes()
    assert (clip.width, clip.height, clip.fps, clip.num_frames, clip.seed) == (848, 480, 25, 75, 7)
    assert f"made at {url} by {runner.capabilities.forward.models['t2v']}" in clip.notes[-1]
    fractions = [report.fraction for report in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    middle = {report.step for report in seen if report.stage == "base"}
    assert len(middle) > 1, "the other server's progress was seen"
    assert {report.stage for report in seen} == {"prepare", "base", "decode", "finish"}
    service.close()


@both
@pytest.mark.parametrize("way", [Canceled, KeyboardInterrupt])
def test_a_cancel_is_passed_on(there, engine, tmp_path, dialect, way):
    runner = engine(dialect)
    decided = planned(runner.capabilities)
    take = runner.denoise(decided, on_progress=quiet)
    assert newest(there[0]).status is Status.QUEUED

    def stop(_progress):
        raise way

    with pytest.raises(way):
        runner.render(decided, take, tmp_path / "clip.mp4", on_progress=stop)
    assert newest(there[0]).status is Status.CANCELED
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_cannot_be_stopped_there_is_told_in_the_log(there, engine, tmp_path, caplog):
    runner = engine("dashscope")
    decided = planned(runner.capabilities)
    take = runner.denoise(decided, on_progress=quiet)
    there[0].store.begin(newest(there[0]).id, "w")

    def stop(_progress):
        raise Canceled

    with caplog.at_level(logging.WARNING), pytest.raises(Canceled):
        runner.render(decided, take, tmp_path / "clip.mp4", on_progress=stop)
    assert newest(there[0]).status is Status.RUNNING
    assert "DashScope cancels only what waits" in caplog.text
    assert there[2] not in caplog.text


class Killed(BaseException):
    """What a kill is to a process that cannot be killed in a test."""


class Mortal(HostedEngine):
    """Dies once, while it waits for the other server."""

    dies = True

    def render(self, plan, take, output, *, on_progress):
        def show(progress):
            on_progress(progress)
            if self.dies and progress.stage == "base":
                self.dies = False
                raise Killed

        return super().render(plan, take, output, on_progress=show)


@both
def test_a_kill_while_it_waits_leaves_one_order_that_the_next_attempt_follows(tmp_path, dialect):
    here, there = open_service(_folder(tmp_path, "here")), open_service(_folder(tmp_path, "there"))
    here.workers.beat("w0", "hosted", state="live")
    job, kept = submit(here, engine="hosted", draft=False), {}

    def recorded(name, function):
        """As DBOS does: a step that has ended is not run again."""
        if name not in kept:
            kept[name] = function()
        return kept[name]

    _, key = there.keys.create("hosted")
    with listening(there) as url:
        line = pipeline(here, tmp_path, engine=Mortal(hosted(dialect, url), key))
        with pytest.raises(Killed):
            line.run(job.id, recorded)
        assert newest(there).status is Status.QUEUED, "a kill is no cancel"
        with working(there, tmp_path):
            assert line.run(job.id, recorded) == "succeeded"
    assert len(there.store.list(Filter(), limit=10)[0]) == 1
    done = here.store.get(job.id, owner=None)
    assert (done.attempt, done.output["sha256"]) == (2, newest(there).output["sha256"])
    assert key not in str(done)
    here.close()
    there.close()


def _folder(parent, name):
    place = parent / name
    place.mkdir()
    return place


# -- what goes wrong -------------------------------------------------------------------------------------------------------


@both
def test_a_wrong_key_is_named_and_not_shown(engine, dialect):
    runner = engine(dialect, key="sk-of-somebody-else")
    with pytest.raises(RemoteUnauthorized, match="does not take the key in HAPPYHORSE_HOSTED_KEY") as caught:
        runner.denoise(planned(runner.capabilities), on_progress=quiet)
    assert "somebody" not in caught.value.message


@both
def test_a_refusal_is_told_in_the_other_servers_words(there, dialect):
    capabilities = hosted(dialect, there[1])
    forward = replace(capabilities.forward, models={"t2v": "alibaba/horse-9"})
    runner = HostedEngine(replace(capabilities, forward=forward), there[2])
    with pytest.raises(RemoteRefused, match=r"refused the request: .*Model not exist: alibaba/horse-9"):
        runner.denoise(planned(runner.capabilities), on_progress=quiet)


@both
def test_a_job_that_fails_there_fails_here_with_its_sentence(there, engine, tmp_path, dialect):
    runner = engine(dialect)
    decided = planned(runner.capabilities)
    take = runner.denoise(decided, on_progress=quiet)
    store = there[0].store
    job = store.begin(newest(there[0]).id, "w")
    store.fail(job.id, job.attempt, JobError("engine_error", "the paint ran out", retryable=False))
    with pytest.raises(RemoteError, match="failed: the paint ran out") as caught:
        runner.render(decided, take, tmp_path / "clip.mp4", on_progress=quiet)
    assert caught.value.code == "remote_error"


@both
def test_a_job_that_takes_too_long_is_given_up_here_and_there(there, engine, tmp_path, dialect):
    runner = engine(dialect, timeout_s=0.3)
    decided = planned(runner.capabilities)
    take = runner.denoise(decided, on_progress=quiet)
    with pytest.raises(RemoteTimeout, match=r"did not finish .* within 0.3 s"):
        runner.render(decided, take, tmp_path / "clip.mp4", on_progress=quiet)
    assert newest(there[0]).status is Status.CANCELED


@both
def test_a_server_that_is_away_is_tried_again_and_then_told(dialect):
    runner = HostedEngine(hosted(dialect, "http://127.0.0.1:9"), "sk-x", patience_s=0.7)
    with pytest.raises(RemoteUnreachable, match=r"cannot be reached \(ConnectError\); tried for 0.7 s"):
        runner.denoise(planned(runner.capabilities), on_progress=quiet)


def test_an_order_is_followed_only_where_it_was_given(there, engine, tmp_path):
    runner = engine("dashscope")
    decided = planned(runner.capabilities)
    take = runner.denoise(decided, on_progress=quiet)
    other = HostedEngine(hosted("dashscope", "https://elsewhere.example"), "sk-x")
    with pytest.raises(EngineError, match=r"this machine forwards to https://elsewhere\.example"):
        other.render(decided, take, tmp_path / "clip.mp4", on_progress=quiet)


# -- the command line ------------------------------------------------------------------------------------------------------


@pytest.fixture
def generate(capsys, monkeypatch, tmp_path):
    def call(url, key, *args, dialect="replicate"):
        for name, value in {"DIALECT": dialect, "URL": url, "KEY": key}.items():
            monkeypatch.setenv(f"HAPPYHORSE_HOSTED_{name}", value)
        monkeypatch.setenv("HAPPYHORSE_DATA_DIR", str(tmp_path))
        small = ("--duration", "3", "--resolution", "480P", "--seed", "7")
        with pytest.raises(SystemExit) as caught:
            cli.main(
                ["generate", PROMPT, "--engine", "hosted", *small, "-o", str(tmp_path / "clip.mp4"), *args]
            )
        out, err = capsys.readouterr()
        assert not key or key not in out + err
        return caught.value.code or 0, out, err

    return call


def test_generate_forwards_and_copies(generate, tmp_path):
    service = open_service(tmp_path)
    with listening(service) as url, working(service, tmp_path):
        code, out, err = generate(url, service.keys.create("hosted")[1])
    assert (code, newest(service).status) == (0, Status.SUCCEEDED), err
    assert "848x480, 3 s, seed 7, engine hosted" in out
    assert probe(tmp_path / "clip.mp4").num_frames == 75
    service.close()


@pytest.mark.parametrize(
    ("key", "args", "code", "said"),
    [
        ("", [], 2, "--engine hosted needs HAPPYHORSE_HOSTED_KEY: your own key for the replicate endpoint"),
        ("sk-wrong", [], 1, "does not take the key in HAPPYHORSE_HOSTED_KEY: "),
        ("sk wrong", [], 2, "HAPPYHORSE_HOSTED_KEY must be one word of plain characters"),
    ],
)
def test_a_key_that_cannot_be_used_is_one_line(generate, there, tmp_path, key, args, code, said):
    found, out, err = generate(there[1], key, *args)
    assert (found, out) == (code, "")
    assert said in err.splitlines()[-1]
    assert list(tmp_path.glob("*.mp4")) == []


def test_a_plan_needs_no_key_and_sends_nothing(generate):
    code, out, _ = generate("http://127.0.0.1:9", "", "--plan", dialect="dashscope")
    assert code == 0
    said = " ".join(out.split())
    assert "engine hosted, made by another server" in said
    assert "sent to http://127.0.0.1:9 (dashscope, model happyhorse-1.1-t2v): the prompt;" in said


@pytest.mark.parametrize("prices", ["720P", "720P=free", "720P=-1"])
def test_a_price_that_is_none_is_named(prices):
    with pytest.raises(
        InvalidRequest, match="HAPPYHORSE_HOSTED_PRICES must be resolutions with USD per second"
    ):
        Settings.from_env({"HAPPYHORSE_HOSTED_PRICES": prices})


def test_settings_do_not_show_the_key():
    settings = Settings.from_env(
        {"HAPPYHORSE_HOSTED_KEY": "sk-1", "HAPPYHORSE_HOSTED_PRICES": "720p = 0.14,"}
    )
    assert "sk-1" not in repr(settings)
    assert settings.hosted.prices == {"720P": 0.14}

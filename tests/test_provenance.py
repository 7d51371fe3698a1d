"""The manifest of a finished clip: what it says, that it holds, that it changes nothing seen or heard, who signed it."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rig import open_service, pipeline, plainly, png, submit

from happyhorse.engines.plan import plan
from happyhorse.engines.run import run
from happyhorse.engines.testcard import TestcardEngine
from happyhorse.errors import InvalidRequest, MediaError
from happyhorse.media.read import decode_audio, decode_video, probe
from happyhorse.provenance.identity import FILE, known_serial, open_identity
from happyhorse.provenance.inspect import inspect
from happyhorse.provenance.manifest import definition, prompt_hash
from happyhorse.provenance.sign import UNSIGNED, Signer
from happyhorse.request import parse_request

ENGINE = TestcardEngine()
SMALL = {
    "prompt": "A cat sits on a mat.",
    "duration": 3,
    "resolution": "720P",
    "seed": 7,
    "engine": "testcard",
}


def decided(**fields):
    request = parse_request({**SMALL, **fields})
    given = [request.image, request.video, *request.references]
    media = {ref.key: probe(Path(ref.path)) for ref in given if ref is not None}
    return plan(request, replace(ENGINE.capabilities, base_sizes={"16:9": (448, 256)}), media=media)


def made(folder, name="clip.mp4", size=(224, 128), **fields):
    """A clip at a small size: its plan and its description."""
    what = replace(decided(**fields), width=size[0], height=size[1])
    return what, run(ENGINE, what, folder / name, on_progress=lambda _: None)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def signer(home):
    return Signer(open_identity(home, None))


@pytest.fixture(scope="module")
def signed(signer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    what, clip = made(folder, size=(576, 320))
    before = folder / "before.mp4"
    before.write_bytes((folder / "clip.mp4").read_bytes())
    return what, signer.sign(clip, what), before


def test_manifest_names_engine_weights_seed_and_prompt(signed, home):
    what, clip, _ = signed
    report = inspect(home.parent / clip.path, known_serial=known_serial(home, None))
    assert (report.manifest, report.problems, report.signed_here) == ("intact", (), True)
    assert report.generation["engine"] == "testcard"
    assert report.generation["seed"] == 7
    assert report.generation["plan_digest"] == what.digest()
    assert report.generation["prompt_sha256"] == prompt_hash(SMALL["prompt"])
    assert report.tags["prompt"] == SMALL["prompt"]
    assert report.actions == ("c2pa.created",)


def test_only_a_network_is_called_trained():
    what = decided()
    kinds = {
        engine: json.dumps(definition(replace(what, engine=engine), "ab", (), "clip.mp4"))
        for engine in ("nano", "testcard")
    }
    assert "/trainedAlgorithmicMedia" in kinds["nano"]
    assert "/algorithmicMedia" in kinds["testcard"]


def test_signing_changes_no_frame_no_sample_and_keeps_the_index_first(signed):
    _, clip, before = signed
    assert np.array_equal(decode_video(before), decode_video(before.with_name("clip.mp4")))
    assert np.array_equal(decode_audio(before), decode_audio(before.with_name("clip.mp4")))
    data = before.with_name("clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert clip.size_bytes == len(data) > before.stat().st_size


def boxes(data):
    """name -> (start, length) of each top box."""
    found, place = {}, 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        found[data[place + 4 : place + 8].decode()] = (place, length)
        place += length
    return found


@pytest.mark.parametrize(("box", "share"), [("moov", 0.3), ("moov", 0.9), ("mdat", 0.01), ("mdat", 0.99)])
def test_a_changed_byte_is_found(signed, tmp_path, box, share):
    data = bytearray(signed[2].with_name("clip.mp4").read_bytes())
    start, length = boxes(data)[box]
    data[start + int(length * share)] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    report = inspect(tmp_path / "changed.mp4")
    assert report.manifest == "changed"
    assert "changed after it was signed" in report.verdict


def test_a_changed_manifest_is_found(signed, tmp_path):
    data = signed[2].with_name("clip.mp4").read_bytes()
    (tmp_path / "forged.mp4").write_bytes(data.replace(b"testcard", b"testcarb", 1))
    assert inspect(tmp_path / "forged.mp4").manifest == "changed"


@pytest.mark.slow
def test_a_cut_file_is_found(signed, tmp_path):
    data = signed[2].with_name("clip.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    assert inspect(tmp_path / "cut.mp4").manifest == "changed"


def test_an_edit_carries_the_manifest_of_its_video(signed, signer, tmp_path):
    source = signed[2].with_name("clip.mp4")
    what, clip = made(tmp_path, "edit.mp4", video=str(source), prompt="Make the mat red.")
    signer.sign(clip, what)
    report = inspect(tmp_path / "edit.mp4")
    assert report.actions == ("c2pa.opened", "c2pa.edited")
    (parent,) = report.ingredients
    assert (parent.title, parent.relationship, parent.manifest) == ("video", "parentOf", "intact")
    assert report.generation["inputs"] == [{"name": "video", "format": "mp4", "sha256": what.video.sha256}]


@pytest.mark.slow
def test_first_frame_and_references_are_named_as_inputs(signer, tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes(png((400, 400), number))
    what, clip = made(tmp_path, references=[str(tmp_path / "1.png"), str(tmp_path / "2.png")])
    signer.sign(clip, what)
    report = inspect(tmp_path / "clip.mp4")
    assert [(used.title, used.relationship, used.manifest) for used in report.ingredients] == [
        ("reference 1", "inputTo", "none"),
        ("reference 2", "inputTo", "none"),
    ]


@pytest.mark.slow
def test_an_input_that_the_library_refuses_is_still_named_by_its_hash(signer, tmp_path):
    (tmp_path / "1.png").write_bytes(png((400, 400)))
    what, clip = made(tmp_path, image=str(tmp_path / "1.png"))
    (tmp_path / "1.png").unlink()
    signer.sign(clip, what)
    report = inspect(tmp_path / "clip.mp4")
    assert (report.manifest, report.ingredients) == ("intact", ())
    assert report.generation["inputs"][0]["sha256"] == what.image.sha256


def test_own_certificate_is_never_called_publicly_trusted(signed, home):
    report = inspect(signed[2].with_name("clip.mp4"), known_serial=known_serial(home, None))
    assert report.publicly_trusted is False
    assert report.trust == "signed by this machine, not publicly trusted"
    assert "not publicly trusted" in replace(report, signed_here=False).trust


@pytest.mark.slow
def test_a_trust_list_decides_who_is_trusted(signed, home, signer, tmp_path):
    clip = signed[2].with_name("clip.mp4")
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_text(signer.identity.certificates)
    bad.write_text(open_identity(tmp_path / "other", None).certificates)
    assert inspect(clip, trust_list=good).publicly_trusted is True
    assert inspect(clip, trust_list=bad).publicly_trusted is False


def test_key_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    first = open_identity(tmp_path / "new", None)
    assert open_identity(tmp_path / "new", None) == first
    assert stat.S_IMODE((tmp_path / "new" / FILE).stat().st_mode) == 0o600
    assert [place.name for place in (tmp_path / "new").iterdir()] == [FILE]


@pytest.mark.slow
def test_own_file_takes_the_place_of_the_made_one(signed, tmp_path):
    made_by_hand = open_identity(tmp_path / "theirs", None)
    (tmp_path / "own.pem").write_text(made_by_hand.certificates + made_by_hand.key)
    signer = Signer(open_identity(tmp_path / "unused", tmp_path / "own.pem"))
    what, clip = made(tmp_path)
    signer.sign(clip, what)
    report = inspect(tmp_path / "clip.mp4", known_serial=known_serial(tmp_path, tmp_path / "own.pem"))
    assert (report.manifest, report.signed_here) == ("intact", True)
    assert not (tmp_path / "unused").exists()


def _rsa_pem():
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing", "must be a PEM file with a private key"),
        ("key only", "must be a PEM file with a private key"),
        ("wrong key", "the first certificate is not of its private key"),
        (None, "does not exist"),
    ],
)
def test_an_own_file_that_cannot_sign_is_refused_at_the_start(signer, tmp_path, content, message):
    place = tmp_path / "own.pem"
    texts = {
        "nothing": "hello",
        "key only": signer.identity.key,
        "wrong key": _rsa_pem() + signer.identity.certificates,
    }
    if content is not None:
        place.write_text(texts[content])
    with pytest.raises(InvalidRequest, match=message) as caught:
        open_identity(tmp_path, place)
    assert caught.value.field == "signer"


def test_a_data_folder_that_cannot_be_written_to_does_not_stop_a_clip(tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert open_identity(tmp_path / "file" / "data", None).algorithm == "es256"


def test_a_file_without_manifest_is_said_so_in_one_sentence(signed):
    report = inspect(signed[2])
    assert report.verdict == "before.mp4 has no C2PA manifest"
    assert report.tags["engine"] == "testcard"


def test_a_file_that_is_no_media_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(MediaError, match=r"notes\.txt is text, not a readable image or video"):
        inspect(tmp_path / "notes.txt")
    with pytest.raises(MediaError, match="does not exist"):
        inspect(tmp_path / "nothing.mp4")


@pytest.mark.slow
def test_a_prompt_tag_that_was_rewritten_and_signed_by_another_is_found(signed, signer, tmp_path):
    what, _, before = signed
    place = tmp_path / "clip.mp4"
    place.write_bytes(before.read_bytes().replace(b"A cat sits", b"A dog sits", 1))
    signer.sign(replace(signed[1], path=str(place)), what)
    assert inspect(place).problems == ("happyhorse.prompt.mismatch",)


def test_without_the_library_a_clip_is_made_and_says_what_it_lacks(tmp_path):
    what, clip = made(tmp_path)
    assert Signer(None).sign(clip, what).notes[-1] == UNSIGNED


@pytest.mark.slow
def test_a_job_leaves_a_signed_file(signer, tmp_path):
    service = open_service(tmp_path)
    job = submit(service)
    replace(pipeline(service, tmp_path), sign=signer.sign).run(job.id, plainly)
    output = service.store.get(job.id, owner=None).output
    stored = service.blobs.path(output["sha256"])
    report = inspect(stored)
    service.close()
    assert (report.manifest, report.generation["seed"]) == ("intact", 7)
    assert output["size_bytes"] == stored.stat().st_size


def typed(folder, *arguments):
    code = "from happyhorse.cli.app import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "HAPPYHORSE_DATA_DIR": str(folder / "data")}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


@pytest.mark.slow
def test_generate_signs_and_inspect_tells_by_exit_code(tmp_path):
    done = typed(
        tmp_path, "generate", "A cat.", "--engine", "testcard", "--duration", 3, "--resolution", "480P"
    )
    assert done.returncode == 0, done.stderr
    good = typed(tmp_path, "inspect", "clip.mp4")
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "clip.mp4 is as it was signed")
    assert "signed by this machine, not publicly trusted" in good.stdout
    data = bytearray((tmp_path / "clip.mp4").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "clip.mp4").write_bytes(data)
    bad = typed(tmp_path, "inspect", "clip.mp4", "--json")
    assert (bad.returncode, json.loads(bad.stdout)["manifest"]) == (1, "changed")
    (tmp_path / "text").write_text("hello")
    other = typed(tmp_path, "inspect", "text")
    assert (other.returncode, other.stdout) == (2, "")
    assert len(other.stderr.splitlines()) == 1

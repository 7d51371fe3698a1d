"""Parts come from the hub whole and right, or not at all."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_hub import FakeHub

from happyhorse.errors import EngineError, Forbidden, InvalidRequest, WeightsMissing
from happyhorse.hub import pull
from happyhorse.hub.adopt import adopt
from happyhorse.hub.parts import APACHE, GB, PARTS, Part, find_parts
from happyhorse.hub.pull import Hub, check_pull, pull_part
from happyhorse.hub.store import WeightStore

PART = Part("net", "for tests", "someone/release", "net/", ("*.safetensors", "config.json"), 10, APACHE)
SHARD = b"0123456789" * 100_000


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "weights")


@pytest.fixture
def hub(server: FakeHub) -> Hub:
    server.repos["someone/release"] = {
        "net/a.safetensors": SHARD,
        "net/config.json": b"{}",
        "net/readme.md": b"not wanted",
        "net/deep/b.safetensors": b"not wanted",
        "other/c.safetensors": b"not wanted",
    }
    return Hub(server.url)


def _pull(store: WeightStore, hub: Hub, part: Part = PART) -> list[str]:
    seen: list[str] = []
    pull_part(store, hub, part, hub.describe(part), on_file=lambda name, _size: seen.append(name))
    return seen


def test_only_the_files_of_the_part_come_and_a_manifest_says_what_they_are(
    store: WeightStore, hub: Hub, server: FakeHub
) -> None:
    assert store.status(PART).state == "absent"
    assert _pull(store, hub) == ["a.safetensors", "config.json"]
    files = sorted(str(p.relative_to(store.root)) for p in store.root.rglob("*") if p.is_file())
    assert files == ["net.manifest.json", "net/a.safetensors", "net/config.json"]
    assert (store.folder(PART) / "a.safetensors").read_bytes() == SHARD
    manifest = store.manifest(PART)
    assert manifest is not None
    assert manifest.num_bytes == len(SHARD) + 2
    assert store.status(PART).state == "complete"
    store.check(PART, on_file=lambda *_: None)
    before = list(server.fetched)
    _pull(store, hub)
    assert server.fetched == before


def test_a_broken_download_goes_on_where_it_stopped(store: WeightStore, hub: Hub, server: FakeHub) -> None:
    large = SHARD * 22  # kept in pieces of 10 MB
    server.repos["someone/release"]["net/a.safetensors"] = large
    server.breaks.add("net/a.safetensors")
    _pull(store, hub)
    assert server.ranges == [f"net/a.safetensors:{10 * 2**20}"]
    assert (store.folder(PART) / "a.safetensors").read_bytes() == large


def test_wrong_bytes_are_named_and_removed(store: WeightStore, hub: Hub, server: FakeHub) -> None:
    server.forged.add("net/a.safetensors")
    with pytest.raises(WeightsMissing, match=r"a\.safetensors has the hash"):
        _pull(store, hub)
    assert store.status(PART).state == "absent"
    server.forged.clear()
    _pull(store, hub)
    assert store.status(PART).state == "complete"


def test_what_was_published_anew_comes_anew_and_a_broken_manifest_is_written_again(
    store: WeightStore, hub: Hub, server: FakeHub
) -> None:
    _pull(store, hub)
    server.fetched.clear()
    server.repos["someone/release"] |= {"net/a.safetensors": SHARD[::-1], "net/config.json": b"[]"}
    (store.root / "net.manifest.json").write_text("{}")
    _pull(store, hub)
    assert server.fetched == ["net/a.safetensors", "net/config.json"]
    assert (store.folder(PART) / "a.safetensors").read_bytes() == SHARD[::-1]
    store.check(PART, on_file=lambda *_: None)
    (store.root / "net.manifest.json").unlink()
    _pull(store, hub)
    assert len(server.fetched) == 2, "what is right without a manifest is hashed, not fetched"
    assert store.status(PART).state == "complete"


def test_a_gated_part_says_where_to_accept_its_terms(store: WeightStore, hub: Hub, server: FakeHub) -> None:
    server.gated.add("someone/release")
    manifest = hub.describe(PART)  # which anyone may read
    server.hidden.add("someone/release")
    said = r"accept its terms at https://huggingface\.co/someone/release \(Apache-2\.0\), then log in"
    for use in (
        lambda: hub.describe(PART),
        lambda: hub.check_access([PART]),
        lambda: hub.fetch(PART, manifest, "config.json", store.root),
    ):
        with pytest.raises(Forbidden, match=said):
            use()
    _pull(store, Hub(server.url, token="hf_x"))
    assert store.status(PART).state == "complete"


def test_what_could_not_be_finished_is_not_begun(
    tmp_path: Path, store: WeightStore, hub: Hub, server: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repos["someone/else"] = server.repos["someone/release"]
    parts = [replace(PART, name=repo, repo=repo, gated=True) for repo in ("someone/release", "someone/else")]
    manifests = {part: hub.describe(part) for part in parts}
    check_pull(store, hub, manifests)
    server.gated |= {"someone/release", "someone/else"}
    with pytest.raises(
        Forbidden, match=r"^someone/release and someone/else are gated: accept their terms at \S+/release"
    ):
        check_pull(store, hub, manifests)
    check_pull(store, Hub(server.url, token="hf_x"), manifests)
    _pull(store, Hub(server.url, token="hf_x"), parts[0])
    check_pull(store, hub, {parts[0]: manifests[parts[0]]})  # which is here
    server.repos["someone/release"] = {**server.repos["someone/release"], "net/a.safetensors": SHARD[::-1]}
    anew = Hub(server.url, token="hf_x").describe(parts[0])
    with pytest.raises(Forbidden, match=r"^someone/release is gated"):
        check_pull(store, hub, {parts[0]: anew})
    server.repos["someone/release"] = server.repos["someone/else"]
    server.gated.clear()
    free = 1_500_000 + GB
    monkeypatch.setattr(pull.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    check_pull(store, hub, manifests)
    third = replace(PART, name="third", gated=True)
    with pytest.raises(
        WeightsMissing,
        match=r"someone/else, third need 1\.00 GB, one to spare included, and 1\.00 GB are free at ",
    ):
        check_pull(store, hub, {parts[1]: manifests[parts[1]], third: hub.describe(third)})
    assert not store.folder(third).exists()
    store.link(third, tmp_path)
    with pytest.raises(WeightsMissing, match="is a link to files of yours"):
        check_pull(store, hub, {third: manifests[parts[0]]})


def test_what_the_hub_does_not_have_is_named(hub: Hub, server: FakeHub) -> None:
    with pytest.raises(WeightsMissing, match="someone/else is not on the hub"):
        hub.describe(Part("net", "", "someone/else", "", ("*",), 1, APACHE))
    with pytest.raises(WeightsMissing, match="has no gone/"):
        hub.describe(Part("net", "", "someone/release", "gone/", ("*.safetensors",), 1, APACHE))
    server.server.shutdown()
    server.server.server_close()
    with pytest.raises(EngineError, match="hub could not be reached"):
        hub.describe(PART)


def test_later_damage_is_found(store: WeightStore, hub: Hub) -> None:
    _pull(store, hub)
    path = store.folder(PART) / "a.safetensors"
    path.write_bytes(b"1" + SHARD[1:])
    with pytest.raises(WeightsMissing, match="hash"):
        store.check(PART, on_file=lambda *_: None)
    path.write_bytes(SHARD[1:])
    with pytest.raises(WeightsMissing, match="999999 bytes; it was published with 1000000"):
        store.check(PART, on_file=lambda *_: None)
    assert store.status(PART).state == "incomplete"
    path.unlink()
    with pytest.raises(WeightsMissing, match="is missing"):
        store.check(PART, on_file=lambda *_: None)
    (store.root / "net.manifest.json").write_text("[]")
    with pytest.raises(WeightsMissing, match=r"net\.manifest\.json cannot be read"):
        store.check(PART, on_file=lambda *_: None)


def test_files_the_user_has_are_linked_under_any_known_name(tmp_path: Path, store: WeightStore) -> None:
    fastvideo = tmp_path / "have"
    for folder in ("sr_540p/sr_transformer", "distill", "Wan2.2-TI2V-5B-Diffusers/vae"):
        (fastvideo / folder).mkdir(parents=True)
        (fastvideo / folder / "x.safetensors").write_bytes(b"1")
    found = adopt(store, PARTS, fastvideo)
    assert set(found) == {"540p_sr", "distill", "wan_vae"}
    assert found["540p_sr"] == fastvideo / "sr_540p"
    (distill,) = find_parts("magihuman", ["distill"])
    assert store.status(distill).state == "linked"
    adopt(store, [distill], fastvideo / "distill")
    with pytest.raises(WeightsMissing, match="has no folder for any of: base"):
        adopt(store, find_parts("magihuman", ["base"]), tmp_path / "weights")
    with pytest.raises(InvalidRequest, match="does not exist"):
        adopt(store, PARTS, tmp_path / "nowhere")


def test_a_download_is_never_replaced_by_a_link(tmp_path: Path, store: WeightStore, hub: Hub) -> None:
    _pull(store, hub)
    with pytest.raises(WeightsMissing, match="holds files already"):
        store.link(PART, tmp_path)


def test_what_is_used_already_stays_as_it_is(tmp_path: Path, store: WeightStore, hub: Hub) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "x.safetensors").write_bytes(SHARD)
    store.link(PART, mine)
    for folder in (store.folder(PART), mine):
        store.link(PART, folder)
        assert store.folder(PART).resolve() == mine
    store.folder(PART).unlink()
    _pull(store, hub)
    store.link(PART, store.folder(PART))
    assert store.manifest(PART) is not None


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="weights are published for engine magihuman alone"):
        find_parts("nano")
    with pytest.raises(InvalidRequest, match="its own network is part base of magihuman"):
        find_parts("magihuman-base")
    with pytest.raises(InvalidRequest, match="part must be one of distill, base"):
        find_parts("magihuman", ["sr"])
    assert "base" not in {part.name for part in find_parts("magihuman")}


@pytest.mark.slow
def test_the_command_shows_terms_before_it_downloads(tmp_path: Path, server: FakeHub) -> None:
    server.repos["Wan-AI/Wan2.2-TI2V-5B-Diffusers"] = {"vae/x.safetensors": SHARD, "vae/config.json": b"{}"}
    environment = {**os.environ, "HF_ENDPOINT": server.url, "HAPPYHORSE_WEIGHTS_DIR": str(tmp_path)}

    command = [sys.executable, "-c", "from happyhorse.cli.app import main; main()", "weights"]

    def run(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, env=environment, input=said, check=False
        )

    declined = run("pull", "magihuman", "wan_vae", said="n\n")
    assert declined.returncode == 1
    assert "Apache-2.0" in declined.stdout
    unanswered = run("pull", "magihuman", "wan_vae")
    assert unanswered.returncode == 1
    assert "the question was not answered, so nothing was done; --yes answers it" in unanswered.stderr
    assert "Traceback" not in unanswered.stderr
    assert server.fetched == []
    asking = subprocess.Popen(
        [*command, "pull", "magihuman", "wan_vae"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert asking.stderr is not None
    assert b"Do you accept" in asking.stderr.read(20)
    asking.send_signal(signal.SIGINT)
    assert asking.communicate()[1].endswith(b"interrupted\n")
    assert asking.returncode == 130
    done = run("pull", "magihuman", "wan_vae", "--yes")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "magihuman" / "wan_vae.manifest.json").read_text())["files"].keys() == {
        "x.safetensors",
        "config.json",
    }
    listed = run("list", "magihuman").stdout
    assert "wan_vae       complete" in listed
    assert "audio_vae     absent" in listed
    assert run("verify", "magihuman", "wan_vae").stdout.endswith("wan_vae: sizes and hashes are right\n")
    missing = run("verify", "magihuman", "distill")
    assert missing.returncode == 1
    assert missing.stderr.strip().endswith("get it with: happyhorse weights pull magihuman distill")

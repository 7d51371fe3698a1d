"""A conversion knows which files it was made of, and is not used beside others."""

import hashlib
import json
from pathlib import Path

import pytest

from happyhorse.errors import WeightsMissing
from happyhorse.hub.origin import ORIGIN_FILE, check_origin, origin_of
from happyhorse.hub.parts import APACHE, Part
from happyhorse.hub.store import File, Manifest, WeightStore

PART = Part("net", "for tests", "someone/release", "net/", ("*.safetensors", "*.json"), 10, APACHE)
FIRST, SECOND = b"0123456789" * 1000, b"abcdefghij" * 1000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    """With a part of two shards that the user had, so without a manifest."""
    store = WeightStore(tmp_path / "weights")
    folder = store.folder(PART)
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(FIRST)
    (folder / "b.safetensors").write_bytes(SECOND)
    (folder / "config.json").write_text("{}")
    return store


def publish(store: WeightStore, second: bytes = SECOND) -> None:
    """Say that the part was downloaded, the second shard with these bytes."""
    files = {
        "a.safetensors": File(len(FIRST), sha256(FIRST)),
        "b.safetensors": File(len(second), sha256(second)),
        "config.json": File(2, git_sha1="9e26dfeeb6e641a33dae4961196235bdb965b21b"),
    }
    store.write_manifest(PART, Manifest("someone/release", "0123456789abcdef", files))


def convert(store: WeightStore) -> Path:
    converted = store.root / "net-fp8"
    converted.mkdir()
    origin = origin_of(store, PART, on_file=lambda *_: None)
    (converted / ORIGIN_FILE).write_text(origin.to_json())
    return converted


def test_the_files_are_named_with_their_hashes(store: WeightStore) -> None:
    publish(store)
    record = json.loads((convert(store) / ORIGIN_FILE).read_text())
    assert (record["repo"], record["revision"]) == ("someone/release", "0123456789abcdef")
    assert {name: file["sha256"] for name, file in record["files"].items()} == {
        "a.safetensors": sha256(FIRST),
        "b.safetensors": sha256(SECOND),
    }
    said = check_origin(store, PART, store.root / "net-fp8")
    assert said.startswith("net-fp8 was made of someone/release at 01234567 (2 files, together ")


def test_the_users_own_files_are_hashed_too(store: WeightStore) -> None:
    converted = convert(store)
    record = json.loads((converted / ORIGIN_FILE).read_text())
    assert record["files"]["b.safetensors"]["sha256"] == sha256(SECOND)
    assert str(store.folder(PART)) in check_origin(store, PART, converted)


def test_a_download_that_is_not_what_was_published_is_not_converted(store: WeightStore) -> None:
    publish(store, second=SECOND[::-1])
    with pytest.raises(WeightsMissing, match=r"b\.safetensors has the hash"):
        origin_of(store, PART, on_file=lambda *_: None)


def test_another_publication_of_the_same_sizes_is_noticed(store: WeightStore) -> None:
    publish(store)
    converted = convert(store)
    publish(store, second=SECOND[::-1])
    with pytest.raises(
        WeightsMissing, match=r"net-fp8 was not made of the b\.safetensors of .*convert the part again"
    ):
        check_origin(store, PART, converted)


@pytest.mark.parametrize("change", ["grown", "gone", "more"])
def test_files_of_the_users_that_changed_are_noticed(store: WeightStore, change: str) -> None:
    converted, folder = convert(store), store.folder(PART)
    if change == "grown":
        (folder / "b.safetensors").write_bytes(SECOND + b"1")
    elif change == "gone":
        (folder / "b.safetensors").unlink()
    else:
        (folder / "c.safetensors").write_bytes(b"1")
    wrong = "c" if change == "more" else "b"
    with pytest.raises(WeightsMissing, match=rf"was not made of the {wrong}\.safetensors"):
        check_origin(store, PART, converted)


def test_a_source_that_was_removed_is_not_missed(store: WeightStore) -> None:
    converted = convert(store)
    store.folder(PART).rename(store.root / "away")
    assert "was made of" in check_origin(store, PART, converted)


def test_a_conversion_without_a_record_says_so_and_a_broken_record_is_named(store: WeightStore) -> None:
    converted = convert(store)
    (converted / ORIGIN_FILE).write_text("[]")
    with pytest.raises(WeightsMissing, match=r"origin\.json cannot be read .*remove .*net-fp8 and convert"):
        check_origin(store, PART, converted)
    (converted / ORIGIN_FILE).unlink()
    assert check_origin(store, PART, converted) == "net-fp8 does not say what it was made of"


def test_no_weights_have_no_origin(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="there are no weights at"):
        origin_of(WeightStore(tmp_path), PART, on_file=lambda *_: None)

import hashlib
import io
import os
import secrets
import time

import pytest
from rig import Command, open_service, pipeline, plainly, png, submit, until

from happyhorse.errors import InvalidRequest, MediaError, NotFound, StorageUnavailable
from happyhorse.jobs import bucket
from happyhorse.jobs.bucket import open_blobs

boto3 = pytest.importorskip("boto3")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint():
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def storage(endpoint, monkeypatch):
    """The URL of a new bucket, with the environment that leads there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.replace("0.0.0.0", "127.0.0.1"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"b{secrets.token_hex(6)}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}/clips"


def keys(storage):
    name = storage.split("/")[2]
    return [entry["Key"] for entry in boto3.client("s3").list_objects_v2(Bucket=name).get("Contents", ())]


def test_what_one_machine_puts_another_finds_by_its_digest(storage, tmp_path):
    here, there = open_blobs(storage, tmp_path / "a"), open_blobs(storage, tmp_path / "b")
    digest = here.put_bytes(b"clip")
    assert digest == hashlib.sha256(b"clip").hexdigest()
    assert keys(storage) == [f"clips/{digest[:2]}/{digest}"]
    assert there.path(digest).read_bytes() == b"clip"
    assert there.put_stream(io.BytesIO(b"clip")) == (digest, 4)
    with here.temporary() as place:
        place.write_bytes(b"another")
        assert there.path(here.put(place)).read_bytes() == b"another"
    assert len(keys(storage)) == 2
    assert list((tmp_path / "b" / "cache" / "incoming").iterdir()) == []


def test_what_is_not_there_is_not_found(storage, tmp_path):
    blobs = open_blobs(storage, tmp_path)
    for name in ("0" * 64, "../../etc/passwd", ""):
        with pytest.raises(NotFound):
            blobs.path(name)
    with pytest.raises(MediaError, match="larger than 0 MB"):
        blobs.put_stream(io.BytesIO(b"12345"), limit=4)
    assert keys(storage) == []


def test_bytes_that_changed_in_the_store_are_not_taken(storage, tmp_path):
    digest = open_blobs(storage, tmp_path / "a").put_bytes(b"clip")
    boto3.client("s3").put_object(Bucket=storage.split("/")[2], Key=keys(storage)[0], Body=b"clop")
    with pytest.raises(StorageUnavailable, match="other bytes"):
        open_blobs(storage, tmp_path / "b").path(digest)


def test_the_sweep_removes_what_nobody_needs_and_nothing_of_others(storage, tmp_path):
    blobs = open_blobs(storage, tmp_path)
    kept, gone = blobs.put_bytes(b"kept"), blobs.put_bytes(b"gone")
    boto3.client("s3").put_object(Bucket=storage.split("/")[2], Key="clips/notes.txt", Body=b"mine")
    boto3.client("s3").put_object(Bucket=storage.split("/")[2], Key=gone, Body=b"outside the prefix")
    assert blobs.sweep(lambda digests: {kept}, older_than_s=3600) == 0
    assert blobs.sweep(lambda digests: {kept}, older_than_s=-5) == 1
    assert sorted(keys(storage)) == sorted([f"clips/{kept[:2]}/{kept}", "clips/notes.txt", gone])


def test_the_cache_forgets_what_nobody_asks_for(storage, tmp_path):
    blobs = open_blobs(storage, tmp_path)
    digest = blobs.put_bytes(b"clip")
    place = blobs.path(digest)
    os.utime(place, (0, time.time() - bucket.CACHE_S - 5))
    blobs.sweep(set, older_than_s=3600)
    assert not place.exists()
    assert blobs.path(digest).read_bytes() == b"clip"


def test_a_storage_that_cannot_be_is_refused_at_the_start(storage, tmp_path, monkeypatch):
    for wrong in ("ftp://bucket", "s3://", "/data", "s3://bucket?x=1"):
        with pytest.raises(InvalidRequest, match=r"storage must be s3://bucket/prefix; got") as caught:
            open_blobs(wrong, tmp_path)
        assert caught.value.field == "storage"
    with pytest.raises(InvalidRequest, match="the bucket 'nobodys' cannot be reached"):
        open_blobs("s3://nobodys/clips", tmp_path)


def test_a_storage_that_stops_answering_fails_the_job_with_its_own_code(storage, tmp_path):
    service = open_service(tmp_path, storage=storage)
    job = submit(service)
    service.blobs.client.delete_bucket(Bucket=service.blobs.bucket)
    assert pipeline(service, tmp_path).run(job.id, plainly) == "failed"
    error = service.store.get(job.id, owner=None).error
    assert (error.code, error.retryable) == ("storage_unavailable", True)
    service.close()


@pytest.mark.slow
def test_a_clip_is_made_from_an_upload_on_another_machine(storage, tmp_path):
    for name in ("api", "worker"):
        (tmp_path / name).mkdir()
    api = open_service(tmp_path / "api", storage=storage)
    worker = open_service(tmp_path / "worker", api.database.url, storage=storage)
    stored = api.uploads.add(io.BytesIO(png()), name="a.png", owner="local")
    job = submit(api, image=stored.id)
    assert pipeline(worker, tmp_path / "worker").run(job.id, plainly) == "succeeded"
    done = api.store.get(job.id, owner=None)
    assert api.blobs.path(done.output["sha256"]).stat().st_size == done.output["size_bytes"]
    api.store.delete(job.id, owner=None)
    api.uploads.delete(stored.id, owner=None)
    worker.blobs.sweep(worker.store.blobs_in_use, older_than_s=-5)
    assert keys(storage) == []
    api.close()
    worker.close()


@pytest.mark.slow
def test_the_command_line_serves_from_a_bucket(storage, tmp_path):
    service = open_service(tmp_path, storage=storage)
    job = submit(service)
    options = ("--engine", "testcard", "--data-dir", tmp_path / "elsewhere", "--storage", storage)
    url = ("--database-url", service.database.plain_url)
    running = Command("worker", *options, *url, log=tmp_path / "worker.log")
    until(lambda: service.store.get(job.id, owner=None).is_terminal)
    done = service.store.get(job.id, owner=None)
    assert service.blobs.path(done.output["sha256"]).stat().st_size == done.output["size_bytes"]
    running.stop()
    service.close()


def test_the_sweep_deletes_each_batch_before_it_asks_for_the_next(storage, tmp_path, monkeypatch):
    monkeypatch.setattr("happyhorse.jobs.blobs._BATCH", 2)
    monkeypatch.setattr(bucket, "_DELETE_BATCH", 2)
    blobs, left = open_blobs(storage, tmp_path), []
    for number in range(5):
        blobs.put_bytes(b"%d" % number)

    def in_use(_digests):
        left.append(len(keys(storage)))
        return set()

    assert blobs.sweep(in_use, older_than_s=-5) == 5
    assert left == [5, 3, 1]

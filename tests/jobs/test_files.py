"""Uploads are listed by when they came, whatever the layer that took them calls them."""

import io
import os
import secrets
import time

import pytest
from rig import png

from happyhorse.api.compat.dashscope import object_id
from happyhorse.errors import InvalidRequest

PICTURE = png((320, 320))


def ids_of_every_layer(count):
    """Own ids, which follow time, and those of other layers, which do not, in turn."""
    make = (lambda: None, lambda: f"file-{secrets.token_hex(16)}", lambda: object_id(secrets.token_hex(8)))
    return [make[number % len(make)]() for number in range(count)]


def stored(service, file_id, *, owner="local"):
    return service.uploads.add(io.BytesIO(PICTURE), name="a.png", owner=owner, file_id=file_id).id


def pages(service, *, between=lambda page: None, **options):
    found, cursor = [], None
    while True:
        page, cursor = service.uploads.list(after=cursor, **{"owner": "local", "limit": 2, **options})
        found.append([upload.id for upload in page])
        if cursor is None:
            return found
        between(page)


def test_pages_hold_every_file_once_newest_first_whatever_its_id_looks_like(service):
    mine = []
    for file_id in ids_of_every_layer(7):
        mine.append(stored(service, file_id))
        stored(service, None, owner="another")
    assert pages(service) == [mine[:4:-1], mine[4:2:-1], mine[2:0:-1], mine[:1]]
    assert sum(len(page) for page in pages(service, owner=None)) == 14


def test_files_of_one_moment_are_each_listed_once(service, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.25)
    mine = {stored(service, file_id) for file_id in ids_of_every_layer(6)}
    listed = [file_id for page in pages(service) for file_id in page]
    assert (set(listed), len(listed)) == (mine, 6)


def test_the_next_page_stays_where_it_was_when_the_last_file_of_this_one_is_deleted(service):
    mine = [stored(service, file_id) for file_id in ids_of_every_layer(5)]
    found = pages(service, between=lambda page: service.uploads.delete(page[-1].id, owner="local"))
    assert [file_id for page in found for file_id in page] == mine[::-1]


def test_a_file_that_comes_between_two_pages_moves_none(service):
    mine = [stored(service, file_id) for file_id in ids_of_every_layer(4)]
    found = pages(service, between=lambda _: stored(service, f"file-{secrets.token_hex(16)}"))
    assert [file_id for page in found for file_id in page] == mine[::-1]


def test_the_id_of_a_file_is_a_cursor_too_as_the_sdk_of_openai_sends_it(service):
    mine = [stored(service, file_id) for file_id in ids_of_every_layer(4)]
    page, _ = service.uploads.list(owner="local", after=mine[2])
    assert [upload.id for upload in page] == [mine[1], mine[0]]
    with pytest.raises(InvalidRequest, match="cursor must be the next_cursor of a page or the id of a file"):
        service.uploads.list(owner="another", after=mine[2])


def test_what_is_put_again_while_the_sweep_looks_is_not_swept(service):
    digest = service.blobs.put_bytes(b"once")
    os.utime(service.blobs.path(digest), (0, 0))

    def in_use(_digests):
        assert service.blobs.put_bytes(b"once") == digest
        return set()

    assert service.blobs.sweep(in_use, older_than_s=3600) == 0
    assert service.blobs.path(digest).read_bytes() == b"once"


def test_two_sweeps_at_once_are_no_failure(service):
    for number in range(3):
        service.blobs.put_bytes(b"%d" % number)

    def in_use(_digests):
        assert service.blobs.sweep(lambda _: set(), older_than_s=-1) == 3
        return set()

    assert service.blobs.sweep(in_use, older_than_s=-1) == 0

"""Links of this server as inputs of a request: taken from its own store. Nothing is fetched from ourselves, and the guard need not allow it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from fastapi import Request

from happyhorse.api.auth import Identity
from happyhorse.api.context import Context
from happyhorse.errors import NotFound
from happyhorse.jobs.job import Job
from happyhorse.jobs.stills import frame_number, still

_INPUTS = ("image", "references", "video", "voice")
_PATH = re.compile(r"/v1/(generations|files)/([\w-]{1,64})/(content|frames/[\w-]{1,20})")


def from_own_store(
    fields: Mapping[str, object], request: Request, here: Context, who: Identity
) -> dict[str, object]:
    """The fields with every link to an upload, a clip or a frame of ours as the upload that it leads to.

    Raises: NotFound, Forbidden for a link that the caller may not follow.
    """
    return {
        name: _input(value, request, here, who) if name in _INPUTS else value
        for name, value in fields.items()
    }


def _input(value: object, request: Request, here: Context, who: Identity) -> object:
    if isinstance(value, list | tuple):
        return [_input(entry, request, here, who) for entry in value]
    if isinstance(value, dict) and isinstance(value.get("job_id"), str):
        return _clip_of(_finished(here, value["job_id"], who.sees), here, who)
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str) or not url.startswith(f"{here.links.base(request)}/"):
        return value
    return _followed(url, here, who) or value


def _followed(url: str, here: Context, who: Identity) -> Mapping[str, str] | None:
    """The upload that a link of this server leads to; None when it leads to nothing that is an input."""
    try:
        link = urlsplit(url)
    except ValueError:  # the name that we were asked by can be anything
        return None
    found = _PATH.fullmatch(link.path)
    if found is None:
        return None
    kind, name, part = found.groups()
    if kind == "files":
        with suppress(NotFound):  # it may be another's, whose link was handed on
            return {"file_id": here.service.uploads.get(name, owner=who.caller.owner).id}
    query = {key: values[0] for key, values in parse_qs(link.query).items()}
    is_signed = here.links.verify(link.path, query.get("expires"), query.get("signature"))
    owner = None if is_signed else who.sees
    if kind == "files":
        upload = here.service.uploads.get(name, owner=owner)
        return _kept(upload.sha256, upload.name, here, who)
    job = _finished(here, name, owner)
    return _clip_of(job, here, who) if part == "content" else _frame_of(job, part, here, who)


def _finished(here: Context, job_id: str, owner: str | None) -> Job:
    job = here.service.store.get(job_id, owner=owner)
    if job.output is None:
        raise NotFound(f"generation '{job.id}' is {job.status.value} and has no clip")
    return job


def _clip_of(job: Job, here: Context, who: Identity) -> dict[str, str]:
    assert job.output is not None
    return _kept(str(job.output["sha256"]), f"{job.id}.mp4", here, who)


def _frame_of(job: Job, part: str, here: Context, who: Identity) -> dict[str, str]:
    assert job.output is not None
    number = frame_number(part.removeprefix("frames/"), int(str(job.output["num_frames"])))
    picture = still(here.service.blobs.path(str(job.output["sha256"])), number, "png")
    return _kept(here.service.blobs.put_bytes(picture), f"{job.id}-{number}.png", here, who)


def _kept(digest: str, name: str, here: Context, who: Identity) -> dict[str, str]:
    return {"file_id": here.service.uploads.add_stored(digest, name=name, owner=who.caller.owner).id}

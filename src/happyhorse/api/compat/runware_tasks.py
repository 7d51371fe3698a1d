"""Runware's tasks: what a task asks for as our request, and our job as what is answered and told. Source: specs/api.md section 9."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from happyhorse.api.compat.common import told_clip_url
from happyhorse.api.compat.reading import Translation, require, tier, translate
from happyhorse.api.links import Links
from happyhorse.errors import HappyHorseError, InvalidRequest
from happyhorse.jobs.job import MICROS, Job, Status
from happyhorse.jobs.webhooks import Message

FORM = "runware"
_UUID = "taskUUID"
"""The name of the caller's own id, also in the metadata of the job."""
_CODES = {
    "unauthenticated": "invalidApiKey",
    "forbidden": "forbidden",
    "not_found": "notFound",
    "limit_exceeded": "rateLimitExceeded",
    "invalid_request": "invalidParameter",
    "invalid_media": "invalidMedia",
    "unsupported": "unsupported",
}
_NAMES = {
    "prompt": ("positivePrompt",),
    "image": ("frameImages",),
    "references": ("referenceImages",),
    "audio": ("audioSetting",),
}

Answer = Mapping[str, Sequence[Mapping[str, object]]]
"""What is sent back: `data` or `errors`, a list of entries."""


def to_request(task: Mapping[str, object]) -> Translation:
    """Our request from a videoInference task. Raises: InvalidRequest, ModelNotFound naming their parameter."""
    require(task, "model")
    if task.get("numberResults") not in (None, 1):
        raise InvalidRequest("numberResults must be 1", field="numberResults")
    given = _part(task, "inputs")
    flat = {**_part(_part(task, "providerSettings"), "alibaba"), **_part(task, "settings"), **task}
    frames = given.get("frameImages") or given.get("image") or task.get("frameImages")
    flat["frameImages"] = [_frame(entry) for entry in _listed(frames)]
    flat["referenceImages"] = _references(given.get("referenceImages") or task.get("referenceImages"))
    flat["video"] = given.get("video")
    model = str(task["model"]).replace(":", "/").replace("@", "-")
    found = translate({**flat, **_size(task)}, model=model, names=_NAMES)
    metadata = {"model": model[:100], _UUID: task_uuid(task)}
    return Translation({**found.fields, "metadata": metadata}, {**found.names, "webhook_url": "webhookURL"})


def task_uuid(task: Mapping[str, object]) -> str:
    """The id that the caller gave it. Raises: InvalidRequest."""
    try:
        return str(uuid.UUID(str(task.get(_UUID))))
    except ValueError as err:
        text = f"taskUUID must be a UUID; got {str(task.get(_UUID))[:40]!r}"
        raise InvalidRequest(text, field=_UUID) from err


def _part(task: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = task.get(name) or {}
    if not isinstance(part, dict):
        raise InvalidRequest(f"{name} must be an object; got {str(part)[:40]!r}", field=name)
    return part


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _frame(entry: object) -> object:
    """The picture of a frame. Raises: InvalidRequest for any frame but the first."""
    if not isinstance(entry, dict):
        return _picture(entry)
    if entry.get("frame") not in (None, "first", 0):
        text = f"frameImages may hold the first frame only; got frame {str(entry['frame'])[:40]!r}"
        raise InvalidRequest(text, field="frameImages")
    return _picture(entry.get("image") or entry.get("inputImage"))


def _references(value: object) -> list[object]:
    found: list[object] = []
    for entry in _listed(value):
        found += _listed(entry.get("images") or entry.get("image")) if isinstance(entry, dict) else [entry]
    return [_picture(entry) for entry in found]


def _picture(value: object) -> object:
    """A picture that was uploaded before is named by its imageUUID; everything else stays as it is."""
    try:
        return {"file_id": f"file-{uuid.UUID(str(value))}"}
    except ValueError:
        return value


def _size(task: Mapping[str, object]) -> Mapping[str, object]:
    """Resolution and ratio of a size in pixels. Raises: InvalidRequest for a size that is none of ours."""
    width, height = task.get("width"), task.get("height")
    if width is None and height is None:
        return {}
    found = None
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        found = tier(width, height)
    if found is None:
        text = f"width and height must have a ratio that is made here, such as 1280 and 720; got {width} and {height}"
        raise InvalidRequest(text, field="width")
    return {"resolution": found[0], "ratio": found[1]}


def from_job(job: Job, name: str, video_url: str | None) -> dict[str, object]:
    """Their response of a job that did not fail. The SDK overlooks those without a videoUUID."""
    told: dict[str, object] = {"taskType": "videoInference", "taskUUID": name, "videoUUID": job.id}
    if video_url is None or job.output is None:
        return {**told, "status": "processing"}
    cost = job.cost_micros / MICROS
    return {**told, "status": "success", "videoURL": video_url, "seed": job.output["seed"], "cost": cost}


def from_error(err: HappyHorseError, task: Mapping[str, object]) -> dict[str, object]:
    told = {"code": _CODES.get(err.code, err.code), "message": err.message, "parameter": err.field}
    return {**told, "taskType": task.get("taskType"), "taskUUID": task.get("taskUUID")}


def answer_of(job: Job, name: str, video_url: str | None) -> Answer:
    """What is said of a job, under the UUID that it was asked for by."""
    if job.status in (Status.FAILED, Status.CANCELED):
        return {"errors": [_from_failure(job, name)]}
    return {"data": [from_job(job, name, video_url)]}


def webhook(message: Message, links: Links) -> Answer:
    """The same, when it is over."""
    name = message.job.metadata.get(_UUID, message.job.id)
    return answer_of(message.job, name, told_clip_url(message, links))


def _from_failure(job: Job, name: str) -> dict[str, object]:
    code, text = (job.error.code, job.error.message) if job.error else ("canceled", "the task was canceled")
    return {"code": code, "message": text, "taskType": "videoInference", "taskUUID": name}

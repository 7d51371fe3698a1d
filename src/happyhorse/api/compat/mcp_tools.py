"""The tools of `/mcp`: what each takes, and what it does with our jobs. Each answers one JSON object."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from fastapi import Request
from mcp.server.context import ServerRequestContext
from mcp.types import Tool
from starlette.concurrency import run_in_threadpool

from happyhorse.api.auth import Identity
from happyhorse.api.compat import acedata
from happyhorse.api.compat.common import clip_url
from happyhorse.api.compat.follow import snapshots
from happyhorse.api.context import Context
from happyhorse.errors import InvalidRequest
from happyhorse.jobs.job import Job
from happyhorse.jobs.keys import Scope
from happyhorse.request import MAX_EDIT_REFERENCES, MAX_REFERENCES, MAX_SEED
from happyhorse.shapes import MAX_DURATION_S, MIN_DURATION_S, RATIOS, RESOLUTIONS

Caller = ServerRequestContext[dict[str, object], Request]
_WATCH_S = 45.0  # hosts give a tool up after a minute
POLL_S = 15

_PROMPT = {"type": "string", "description": "What is to be seen and heard; spoken lines in quotes."}
_IMAGE = {"type": "string", "description": "URL or data URL of the first frame."}
_VIDEO = {"type": "string", "description": "URL of the clip to change."}
_TASK_ID = {"type": "string", "description": "The task_id that another tool returned."}
_OUTPUT = {
    "resolution": {"type": "string", "enum": list(RESOLUTIONS), "default": "1080P"},
    "ratio": {
        "type": "string",
        "enum": list(RATIOS),
        "description": "Ignored where an image or a clip leads.",
    },
    "duration": {
        "type": "integer",
        "minimum": MIN_DURATION_S,
        "maximum": MAX_DURATION_S,
        "description": "Seconds.",
    },
    "watermark": {"type": "boolean", "default": False},
    "seed": {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
    "callback_url": {"type": "string", "description": "Where to send the task when it is over."},
}
_AUDIO = {"type": "string", "enum": ["auto", "origin", "remove"], "default": "auto"}


@dataclass(frozen=True)
class Call:
    """One call of a tool: who makes it, with what."""

    arguments: Mapping[str, object]
    request: Request
    here: Context
    context: Caller

    async def identify(self, scope: Scope) -> Identity:
        return await run_in_threadpool(self.here.auth.identify, self.request, scope)

    async def shown(self, job: Job) -> dict[str, object]:
        """The job now, or after a while of reporting its progress to a caller who asked for that."""
        if self.context.meta and "progress_token" in self.context.meta:
            job = await self._watched(job)
        task = acedata.from_job(job, clip_url(job, self.request, self.here))
        if job.is_terminal:
            return {"task_id": job.id, **task}
        hint = f'Wait {POLL_S} seconds, then call happyhorse_get_task with task_id "{job.id}".'
        return {"task_id": job.id, **task, "polling_interval_seconds": POLL_S, "next_step": hint}

    async def _watched(self, job: Job) -> Job:
        latest, told = job, -1.0
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(_WATCH_S),
                aclosing(snapshots(job, self.here, every_s=_WATCH_S)) as news,
            ):
                async for latest in news:
                    percent = round(100 * latest.fraction, 1)
                    if percent > told:  # the protocol wants it to grow
                        text = latest.stage or latest.status.value
                        await self.context.session.report_progress(percent, 100, text)
                    told = max(told, percent)
        return latest


# -- tools -----------------------------------------------------------------------------------------------------------------


def _starts(action: str) -> Callable[[Call], Awaitable[dict[str, object]]]:
    async def start(call: Call) -> dict[str, object]:
        who = await call.identify("generate")
        return await call.shown(await acedata.start(action, call.arguments, call.request, call.here, who))

    return start


async def _get_task(call: Call) -> dict[str, object]:
    who = await call.identify("read")
    job = await run_in_threadpool(call.here.service.store.get, _task_id(call), owner=who.sees)
    return await call.shown(job)


async def _get_tasks(call: Call) -> dict[str, object]:
    who = await call.identify("read")
    ids = call.arguments.get("task_ids")
    return await run_in_threadpool(acedata.find_batch, ids, "task_ids", call.request, call.here, who.sees)


async def _cancel_task(call: Call) -> dict[str, object]:
    who = await call.identify("generate")
    job = await run_in_threadpool(call.here.service.store.cancel, _task_id(call), owner=who.sees)
    return {"task_id": job.id, **acedata.from_job(job, None)}


async def _list_models(call: Call) -> dict[str, object]:
    await call.identify("read")
    return {
        name: {"models": list(action.models), "default": action.models[-1]}
        for name, action in acedata.ACTIONS.items()
    }


def _task_id(call: Call) -> str:
    task_id = call.arguments.get("task_id")
    if not isinstance(task_id, str) or not task_id:
        raise InvalidRequest(f"task_id must be text; got {str(task_id)[:40]!r}", field="task_id")
    return task_id


def _images(least: int, most: int) -> dict[str, object]:
    text = "URLs or data URLs of pictures, in the order in which the prompt counts them."
    return {
        "type": "array",
        "items": {"type": "string"},
        "minItems": least,
        "maxItems": most,
        "description": text,
    }


def _tool(name: str, about: str, required: tuple[str, ...] = (), **properties: object) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(name=f"happyhorse_{name}", description=about, input_schema=schema)


def _maker(name: str, action: str, about: str, **properties: object) -> Tool:
    found = acedata.ACTIONS[action]
    model = {"type": "string", "enum": list(found.models), "default": found.models[-1]}
    return _tool(name, about, found.required, **properties, model=model, **_OUTPUT)


TOOLS: Mapping[str, tuple[Tool, Callable[[Call], Awaitable[dict[str, object]]]]] = {
    tool.name: (tool, run)
    for tool, run in (
        (
            _maker("generate_video", "generate", "Make a clip from text.", prompt=_PROMPT),
            _starts("generate"),
        ),
        (
            _maker(
                "generate_video_from_image",
                "image_to_video",
                "Make a clip that begins with a picture.",
                image_url=_IMAGE,
                prompt=_PROMPT,
            ),
            _starts("image_to_video"),
        ),
        (
            _maker(
                "generate_video_from_references",
                "reference_to_video",
                "Make a clip with the characters of pictures: character1, character2, ...",
                prompt=_PROMPT,
                image_urls=_images(1, MAX_REFERENCES),
            ),
            _starts("reference_to_video"),
        ),
        (
            _maker(
                "edit_video",
                "video_edit",
                "Change a clip as the prompt says.",
                prompt=_PROMPT,
                video_url=_VIDEO,
                image_urls=_images(0, MAX_EDIT_REFERENCES),
                audio_setting=_AUDIO,
            ),
            _starts("video_edit"),
        ),
        (
            _tool("get_task", "How a task stands, and its video_url.", ("task_id",), task_id=_TASK_ID),
            _get_task,
        ),
        (
            _tool(
                "get_tasks_batch",
                "How several tasks stand.",
                ("task_ids",),
                task_ids={"type": "array", "items": _TASK_ID, "minItems": 1, "maxItems": acedata.MAX_BATCH},
            ),
            _get_tasks,
        ),
        (
            _tool("cancel_task", "Stop a task; it costs nothing.", ("task_id",), task_id=_TASK_ID),
            _cancel_task,
        ),
        (_tool("list_models", "The actions and their models."), _list_models),
    )
}

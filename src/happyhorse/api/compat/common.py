"""What the foreign dialects share around a translated request (`reading`): queueing it, its errors, links and routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from happyhorse.api.auth import Identity
from happyhorse.api.compat.reading import ABSENT, Translation
from happyhorse.api.context import Context
from happyhorse.api.key_first import after_key
from happyhorse.api.links import Links
from happyhorse.api.own_links import from_own_store
from happyhorse.api.problems import retry_headers
from happyhorse.errors import HappyHorseError, InvalidRequest
from happyhorse.jobs.job import Job
from happyhorse.jobs.webhooks import TERMINAL_EVENTS, EventName, Message, Target

# -- queueing --------------------------------------------------------------------------------------------------------------


async def queue(
    translation: Translation,
    request: Request,
    here: Context,
    who: Identity,
    *,
    idempotency_key: str | None = None,
    webhook: Target | None = None,
    cancel_after_s: float | None = None,
) -> Job:
    """Submit, with our own links taken from our own store and errors under the caller's names."""

    def submit() -> Job:
        fields = from_own_store(translation.fields, request, here, who)
        try:
            return here.service.submitter.submit(
                fields,
                caller=who.caller,
                idempotency_key=idempotency_key,
                webhook=webhook,
                cancel_after_s=cancel_after_s,
            )
        except HappyHorseError as err:
            raise named(err, translation.names) from err

    return await run_in_threadpool(submit)


def webhook_target(
    url: object, name: str, form: str, base_url: str, events: Sequence[EventName] = TERMINAL_EVENTS
) -> Target | None:
    """Where the caller wants news, None without a wish. `name` is what the caller calls the address.

    Raises: InvalidRequest when it is no text; `queue` refuses other bad addresses, under the name of `webhook_url`.
    """
    if url in ABSENT:
        return None
    if not isinstance(url, str):
        raise InvalidRequest(f"{name} must be a URL; got {str(url)[:40]!r}", field=name)
    return Target(url=url, base_url=base_url, form=form, events=events)


def named(err: HappyHorseError, names: Mapping[str, str]) -> HappyHorseError:
    """The same error with the caller's name of the field, in its field and in its sentence."""
    field = err.field
    if field is None or names.get(field, field) == field:
        return err
    name = names[field]
    renamed = re.sub(rf"^{re.escape(field)}\b", lambda _: name, err.message)
    message = renamed if renamed.startswith(name) else f"{name}: {err.message}"
    return type(err)(message, field=name)


# -- answers ---------------------------------------------------------------------------------------------------------------


def clip_url(job: Job, request: Request, here: Context) -> str | None:
    """A signed link to the clip, None while there is none."""
    return None if job.output is None else here.links.signed(request, f"/v1/generations/{job.id}/content")


def told_clip_url(message: Message, links: Links) -> str | None:
    """As `clip_url`, for a webhook."""
    if message.job.output is None:
        return None
    return links.signed_from(message.base_url, f"/v1/generations/{message.job.id}/content")


def usage(job: Job) -> dict[str, object]:
    """What a finished job is billed for, as DashScope says it and gateways repeat it: whole seconds but in edits."""
    assert job.output is not None
    made = float(cast(float, job.output["duration_s"]))
    billed = float(cast(float, job.output["billed_seconds"]))
    seconds: tuple[float, float, float] = (billed, billed - made, made)
    if job.mode != "edit":
        seconds = (round(billed), 0, round(made))
    return {
        "duration": seconds[0],
        "input_video_duration": seconds[1],
        "output_video_duration": seconds[2],
        "video_count": 1,
        "SR": int(str(job.output["resolution"]).rstrip("Pp")),
        "ratio": job.output["ratio"],
    }


def model_name(job: Job) -> str:
    """The model as the caller named it; for a job of the native API the one that its mode stands for."""
    named = job.metadata.get("model")
    if named is not None:
        return named
    return "happyhorse-1.0-video-edit" if job.mode == "edit" else f"happyhorse-1.1-{job.mode}"


_INPUT = (
    "prompt",
    "image",
    "references",
    "video",
    "resolution",
    "ratio",
    "duration",
    "watermark",
    "seed",
    "audio",
)


def input_of(job: Job, names: Mapping[str, str], show: Callable[[object], object]) -> dict[str, object]:
    """The input of a job as a dialect repeats it: under its own names where it has some, each value as `show` writes it."""
    return {names.get(name, name): show(job.request[name]) for name in _INPUT if name in job.request}


def iso_time(seconds: float) -> str:
    """A moment in ISO 8601, with a Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def dialect_route(render: Callable[[HappyHorseError], Response], *, key_first: bool = True) -> type[APIRoute]:
    """A route class that answers errors as one dialect does. Without `key_first` a credential may be in the body."""

    def answer(err: HappyHorseError) -> Response:
        rendered = render(err)
        rendered.headers.update(retry_headers(err))
        return rendered

    class Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()
            if key_first:
                inner = after_key(self, inner)

            async def handle(request: Request) -> Response:
                try:
                    return await inner(request)
                except HappyHorseError as err:
                    return answer(err)
                except HTTPException as err:
                    if err.status_code != 400:
                        raise
                    return answer(InvalidRequest(str(err.detail)))  # a form that cannot be read
                except RequestValidationError as err:
                    first = err.errors()[0]
                    name = str(first["loc"][-1])
                    return answer(InvalidRequest(f"{name}: {first['msg']}", field=name))

            return handle

    return Route

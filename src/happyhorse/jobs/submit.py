"""submit(fields) -> Job: the one way in, for the native API, foreign dialects and the SDK. Plans before it queues.

What cannot run is refused here, with the field, the limit and the value. When `submit` returns, the job is stored and queued
in one transaction and will run whatever dies. An input that a slow host has not sent by then is judged by the worker, which
plans once more (`settled`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import cast

from happyhorse.engines.base import Capabilities
from happyhorse.engines.plan import Plan, plan
from happyhorse.errors import Conflict, InvalidRequest
from happyhorse.jobs.blobs import BlobStore
from happyhorse.jobs.files import UploadStore, media_info
from happyhorse.jobs.inputs import Inputs, is_data_url, missing, stand_ins
from happyhorse.jobs.job import MICROS, Job, NewJob, Status
from happyhorse.jobs.outbound import Outbound, shown
from happyhorse.jobs.queue import JobQueue
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.webhooks import Target, check_target
from happyhorse.request import GenerationRequest, parse_request
from happyhorse.shapes import MediaInfo

MAX_IDEMPOTENCY_KEY = 255


@dataclass(frozen=True)
class Caller:
    """Who asks: the key's id, or LOCAL in single-user mode."""

    owner: str


LOCAL = Caller("local")


class Submitter:
    """Turns what was asked for into a queued job. `engines` says what can be asked of which engine."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        uploads: UploadStore,
        engines: Callable[[], Mapping[str, Capabilities]],
        *,
        default_engine: str,
        outbound: Outbound,
    ) -> None:
        self.store, self.queue, self.uploads, self.outbound = store, queue, uploads, outbound
        self.inputs = Inputs(uploads)
        self.engines, self.default_engine = engines, default_engine

    def plan(self, fields: Mapping[str, object], *, caller: Caller) -> tuple[GenerationRequest, Plan]:
        """Decide a clip and run nothing. Raises: InvalidRequest and what lies below it."""
        request = self._parse(fields)
        media = self.inputs.fetch(request, caller.owner)
        return request, self._decide(request, media)

    def submit(
        self,
        fields: Mapping[str, object],
        *,
        caller: Caller,
        idempotency_key: str | None = None,
        priority: int = 0,
        webhook: Target | None = None,
        cancel_after_s: float | None = None,
    ) -> Job:
        """Raises: InvalidRequest and what lies below it; Conflict for a reused key; LimitExceeded."""
        _check_key(idempotency_key)
        request = self._parse(fields)
        asked = request.model_dump(mode="json", exclude_defaults=True) | {"engine": request.engine}
        digest = self._fingerprint(asked, webhook, caller.owner)
        known = self.store.known(caller.owner, idempotency_key, digest)
        if known is not None:
            return known
        if webhook is not None:
            check_target(webhook, self.outbound)
        media = self.inputs.soon(request, caller.owner)
        decided = self._decide(request, stand_ins(request) | media)
        decided = replace(decided, notes=(*decided.notes, *_owed(request, media)))
        new = NewJob(
            owner=caller.owner,
            engine=request.engine,
            mode=request.mode,
            request=_with_inputs(asked, _without_data),
            plan=_shown_plan(decided),
            media=_facts(media),
            metadata=request.metadata,
            price_micros=round(decided.price_usd * MICROS),
            request_hash=digest,
            idempotency_key=idempotency_key,
            priority=priority,
            webhook=None if webhook is None else webhook.to_dict(),
            cancel_at=None if cancel_after_s is None else time.time() + cancel_after_s,
        )
        return self.store.create(new, self.queue.put)

    def retry(self, job_id: str, *, owner: str | None) -> Job:
        """A new job of the same owner with the request and the seed of one that failed or was canceled.

        Raises: NotFound, also for another owner's; Conflict; LimitExceeded; InvalidRequest for an engine that runs here no more.
        """
        job = self.store.get(job_id, owner=owner)
        if job.status not in (Status.FAILED, Status.CANCELED):
            raise Conflict(
                f"job {job_id} is {job.status.value}; only a failed or canceled one can be tried again"
            )
        self._capabilities(job.engine)
        for facts in job.media.values():
            self.uploads.blobs.path(str(facts["sha256"]))
        new = NewJob(
            owner=job.owner,
            engine=job.engine,
            mode=job.mode,
            request=job.request,
            plan=job.plan,
            media=job.media,
            metadata=job.metadata,
            price_micros=job.price_micros,
            request_hash=_digest(job.request),
            priority=job.priority,
            retry_of=job.id,
            webhook=job.webhook,
        )
        return self.store.create(new, self.queue.put)

    def _parse(self, fields: Mapping[str, object]) -> GenerationRequest:
        return parse_request({"engine": self.default_engine, **fields})

    def _decide(self, request: GenerationRequest, media: Mapping[str, MediaInfo]) -> Plan:
        return plan(request, self._capabilities(request.engine), media=media)

    def _capabilities(self, engine: str) -> Capabilities:
        engines = self.engines()
        if engine not in engines:
            text = f"engine must be one that runs here, {', '.join(sorted(engines))}; got '{engine[:60]}'"
            raise InvalidRequest(text, field="engine")
        return engines[engine]

    def _fingerprint(self, asked: Mapping[str, object], webhook: Target | None, owner: str) -> str:
        """What a resend must have in common: an upload counts by its content, as a form sent again has a new id.

        Raises: NotFound for an upload that is not there.
        """

        def by_content(reference: Mapping[str, str]) -> Mapping[str, str]:
            if "file_id" not in reference:
                return reference
            return {"sha256": self.uploads.get(reference["file_id"], owner=owner).sha256}

        content = _with_inputs(asked, by_content)
        if webhook is None:
            return _digest(content)
        told = webhook.to_dict()
        del told["base_url"]  # a resend may reach this server by another name
        return _digest({**content, "webhook": told})


def short_key(key: str) -> str:
    """A data URL by its digest; everything else as it is."""
    if not is_data_url(key):
        return key
    return f"data-{hashlib.sha256(key.encode()).hexdigest()}"


def _with_inputs(
    request: Mapping[str, object], write: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> dict[str, object]:
    """The fields of a request with every input as `write` says it."""
    fields = dict(request)
    for name in ("image", "video", "voice"):
        if name in fields:
            fields[name] = write(cast(Mapping[str, str], fields[name]))
    if "references" in fields:
        fields["references"] = [
            write(reference) for reference in cast(list[Mapping[str, str]], fields["references"])
        ]
    return fields


def _without_data(reference: Mapping[str, str]) -> Mapping[str, str]:
    """An input as it is kept: a data URL is replaced by the digest that its bytes are found by."""
    url = reference.get("url") or ""
    return {"file_id": short_key(url)} if is_data_url(url) else reference


def _facts(media: Mapping[str, MediaInfo]) -> dict[str, dict[str, object]]:
    """What is kept of inputs: all but the places of files on this machine."""
    return {
        short_key(key): {name: value for name, value in asdict(info).items() if name != "path"}
        for key, info in media.items()
    }


def _owed(request: GenerationRequest, media: Mapping[str, MediaInfo]) -> list[str]:
    """What a plan says of inputs that have not come."""
    return [
        f"{field}: {shown(reference.key)} has not come yet; size, length and price are decided when it is here, "
        "and the price is at most this"
        for field, reference in missing(request, media)
    ]


def _shown_plan(decided: Plan) -> dict[str, object]:
    """The plan as it is kept and shown: without the places of files on this machine, and without stand-ins."""
    fields = decided.to_dict()
    for name in ("image", "video", "voice"):
        fields[name] = _shown_input(fields[name])
    fields["references"] = [info for info in map(_shown_input, _as_list(fields["references"])) if info]
    return {**fields, "digest": decided.digest()}


def _shown_input(info: object) -> dict[str, object] | None:
    if not isinstance(info, dict) or not info["sha256"]:
        return None
    return {name: value for name, value in info.items() if name != "path"}


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _digest(request: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def _check_key(key: str | None) -> None:
    if key is not None and not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY:
        raise InvalidRequest(
            f"Idempotency-Key must have 1 to {MAX_IDEMPOTENCY_KEY} characters; got {len(key)}",
            field="Idempotency-Key",
        )


def replan(job: Job, capabilities: Capabilities, blobs: BlobStore) -> Plan:
    """The plan of a stored job on this machine, with its seed, by what the engine that runs it can do now.

    Raises: NotFound for an input that is gone; what `plan` raises.
    """
    seed = job.plan["seed"]
    assert isinstance(seed, int)
    request = parse_request(job.request)
    media = {key: media_info(facts, blobs) for key, facts in job.media.items()}
    return plan(request, capabilities, media=media, draw_seed=lambda: seed)


def owes_inputs(job: Job) -> bool:
    """Whether the job was created before all of its inputs had come."""
    return bool(missing(parse_request(job.request), job.media))


def settled(job: Job, media: Mapping[str, MediaInfo], capabilities: Capabilities, blobs: BlobStore) -> Job:
    """The job with the inputs that it owed, and the plan and the price that follow from them.

    The price per second stays the one that the job was submitted at. Raises: as `replan`.
    """
    whole = replace(job, media={**job.media, **_facts(media)})
    decided = replan(whole, capabilities, blobs)
    at_most = cast(float, job.plan["billed_seconds"])
    price_micros = round(job.price_micros * decided.billed_seconds / at_most)
    decided = replace(decided, price_usd=price_micros / MICROS)
    return replace(whole, plan=_shown_plan(decided), price_micros=price_micros)

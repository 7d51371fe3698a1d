"""submit(fields) -> Job: the one way in, for the native API, foreign dialects and the SDK. Plans before it queues.

What cannot run is refused here, with the field, the limit and the value. When `submit` returns, the job is stored and queued
in one transaction and will run whatever dies.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import cast

from happyhorse.engines.base import Capabilities
from happyhorse.engines.plan import Plan, plan
from happyhorse.errors import Conflict, InvalidRequest
from happyhorse.jobs.blobs import BlobStore
from happyhorse.jobs.files import UploadStore, media_info
from happyhorse.jobs.job import MICROS, Job, NewJob, Status
from happyhorse.jobs.outbound import Outbound
from happyhorse.jobs.queue import JobQueue
from happyhorse.jobs.store import JobStore
from happyhorse.jobs.webhooks import Target, check_target
from happyhorse.request import GenerationRequest, MediaRef, parse_request
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
        self.engines, self.default_engine = engines, default_engine

    def plan(self, fields: Mapping[str, object], *, caller: Caller) -> tuple[GenerationRequest, Plan]:
        """Decide a clip and run nothing. Raises: InvalidRequest and what lies below it."""
        request = self._parse(fields)
        media = self._media(request, caller.owner)
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
        media = self._media(request, caller.owner)
        decided = self._decide(request, media)
        new = NewJob(
            owner=caller.owner,
            engine=request.engine,
            mode=request.mode,
            request=_with_inputs(asked, _without_data),
            plan=_shown_plan(decided),
            media={key: _facts(info) for key, info in _short_keys(media).items()},
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
        return _digest(content if webhook is None else {**content, "webhook": webhook.to_dict()})

    def _media(self, request: GenerationRequest, owner: str) -> dict[str, MediaInfo]:
        """What a probe sees in each input. They are fetched beside each other: nine slow hosts take no longer than one."""
        wanted = {reference.key: (reference, field) for field, reference in inputs(request)}
        with ThreadPoolExecutor(max(len(wanted), 1), "inputs") as pool:
            found = pool.map(lambda entry: self._resolve(entry[0], entry[1], owner), wanted.values())
            return dict(zip(wanted, found, strict=True))

    def _resolve(self, reference: MediaRef, field: str, owner: str) -> MediaInfo:
        if reference.file_id is not None:
            upload = self.uploads.get(reference.file_id, owner=owner)
        elif reference.url is not None and reference.url[:5].lower() == "data:":
            upload = self.uploads.add_data_url(reference.url, owner=owner, field=field)
        elif reference.url is not None:
            upload = self.uploads.add_url(reference.url, owner=owner, field=field)
        else:
            text = f"{field}: files of the server are not read; upload the file and send its id"
            raise InvalidRequest(text, field=field)
        return media_info(upload.info, self.uploads.blobs)


def inputs(request: GenerationRequest) -> list[tuple[str, MediaRef]]:
    """Every input of a request with the field that it stands in."""
    named = [("image", request.image), ("video", request.video), ("voice", request.voice)]
    named += [("references", reference) for reference in request.references]
    return [(field, reference) for field, reference in named if reference is not None]


def short_key(key: str) -> str:
    """A data URL by its digest; everything else as it is."""
    if key[:5].lower() != "data:":
        return key
    return f"data-{hashlib.sha256(key.encode()).hexdigest()}"


def _short_keys(media: Mapping[str, MediaInfo]) -> dict[str, MediaInfo]:
    return {short_key(key): info for key, info in media.items()}


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
    return {"file_id": short_key(url)} if url[:5].lower() == "data:" else reference


def _facts(info: MediaInfo) -> dict[str, object]:
    facts = asdict(info)
    del facts["path"]
    return facts


def _shown_plan(decided: Plan) -> dict[str, object]:
    """The plan as it is kept and shown: without the places of files on this machine."""
    fields = decided.to_dict()
    for info in (fields["image"], fields["video"], fields["voice"], *_as_list(fields["references"])):
        if isinstance(info, dict):
            info.pop("path", None)
    return {**fields, "digest": decided.digest()}


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

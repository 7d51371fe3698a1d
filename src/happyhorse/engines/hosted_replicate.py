"""Replicate from the caller's side: files, predictions, polls. Source: specs/api.md section 4."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from happyhorse.engines.hosted_wire import AUDIO, Json, Local, Look, Sent, Wire, text_at
from happyhorse.engines.plan import Plan
from happyhorse.errors import RemoteError, RemoteRefused

_PERCENT = re.compile(r"(\d{1,3})%\|")
_SENSITIVE = "E005"
"""The service's own code of what its moderation stopped."""


class Replicate:
    """Predictions of one account and model."""

    def __init__(self, wire: Wire, model: str) -> None:
        self.wire, self.model = wire, model

    @staticmethod
    def sentence(body: Json) -> str:
        title, detail = text_at(body, "title"), text_at(body, "detail")
        return f"{title}: {detail}" if title and detail else detail or title

    def send(self, file: Local) -> str:
        """Upload to the account's files. Returns the link that the input takes."""
        answer = self.wire.post_file("/v1/files", file, "content", {}, with_key=True)
        link = text_at(self.wire.facts(answer), "urls", "get")
        if not link:
            raise RemoteError(f"{self.wire.address} took a file and answered no link to it")
        return link

    def create(self, plan: Plan, sent: Sent) -> str:
        path = f"/v1/models/{quote(self.model)}/predictions"
        facts = self.wire.ask("POST", path, json={"input": input_of(plan, sent)}, is_order=True)
        remote_id = text_at(facts, "id")
        if not remote_id:
            raise RemoteError(f"{self.wire.address} took the order and answered no id")
        return remote_id

    def look(self, remote_id: str) -> Look:
        facts = self.wire.ask("GET", _prediction(remote_id))
        status = text_at(facts, "status")
        if status == "succeeded":
            output = facts.get("output")
            return self.wire.finished(output[0] if isinstance(output, list) and output else output)
        if status in ("starting", "processing"):
            return Look(is_running=status == "processing", fraction=_fraction(text_at(facts, "logs")))
        raise self._ended(remote_id, status, text_at(facts, "error"))

    def _ended(self, remote_id: str, status: str, error: str) -> RemoteError:
        said = self.wire.quoted(error)
        if status == "failed" and _SENSITIVE in said:
            return RemoteRefused(f"{self.wire.address} refused the request: {said}")
        reasons = {
            "failed": f"failed: {said or 'it does not say why'}",
            "canceled": "was canceled there",
            "aborted": "was stopped there",
        }
        how = reasons.get(status, f"has a status that is not known here, '{self.wire.quoted(status)[:40]}'")
        return RemoteError(f"prediction {remote_id[:64]} at {self.wire.address} {how}")

    def cancel(self, remote_id: str) -> None:
        path = f"{_prediction(remote_id)}/cancel"
        self.wire.tell(path, f"prediction {remote_id[:64]} was not canceled and may go on")


def _prediction(remote_id: str) -> str:
    return f"/v1/predictions/{quote(remote_id, safe='')}"


def _fraction(logs: str) -> float | None:
    """The last bar that the logs show."""
    found = _PERCENT.findall(logs)
    return min(int(found[-1]), 100) / 100 if found else None


def input_of(plan: Plan, sent: Sent) -> dict[str, Any]:
    """What each mode takes: one image is the first frame, more are references."""
    found: dict[str, Any] = {
        "prompt": plan.prompt,
        "resolution": plan.resolution.lower(),
        "seed": plan.seed,
    }
    if plan.watermark:
        found["watermark"] = True
    if plan.mode == "edit":
        found |= {"video": sent.video, "audio_setting": AUDIO[plan.sound]}
        return {**found, "reference_images": list(sent.references)}
    found["duration"] = round(plan.duration_s)
    images = [*sent.references] if sent.image is None else [sent.image]
    if images:
        found["images"] = images
    if sent.image is None:
        found["aspect_ratio"] = plan.ratio
    return found

"""DashScope from the caller's side: tasks, polls, and uploads under a signed policy. Source: specs/api.md section 2."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from happyhorse.engines.hosted_wire import AUDIO, Json, Local, Look, Sent, Wire, text_at
from happyhorse.engines.plan import Plan
from happyhorse.errors import RemoteError, RemoteRefused

_CREATE = "/api/v1/services/aigc/video-generation/video-synthesis"
_HEADERS = {"X-DashScope-Async": "enable"}
_RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}
_REFUSALS = ("DataInspectionFailed", "InvalidParameter", "InvalidURL")
"""Codes of failed tasks that speak of the request; they may have a part after a dot."""
# the form's field -> the policy's
_FORM = {
    "OSSAccessKeyId": "oss_access_key_id",
    "Signature": "signature",
    "policy": "policy",
    "x-oss-object-acl": "x_oss_object_acl",
    "x-oss-forbid-overwrite": "x_oss_forbid_overwrite",
}


class DashScope:
    """Tasks of one account and model."""

    def __init__(self, wire: Wire, model: str) -> None:
        self.wire, self.model = wire, model

    @staticmethod
    def sentence(body: Json) -> str:
        code, message = text_at(body, "code"), text_at(body, "message")
        return f"{message} ({code})" if code and message else message or code

    def send(self, file: Local) -> str:
        """Upload where the policy says, without the key. Returns an oss:// name."""
        facts = self.wire.ask("GET", f"/api/v1/uploads?action=getPolicy&model={quote(self.model)}")
        policy = facts.get("data")
        needed = ("upload_host", "upload_dir", *_FORM.values())
        if not isinstance(policy, dict) or not all(text_at(policy, name) for name in needed):
            raise RemoteError(f"{self.wire.address} answered an upload policy without its fields")
        key = f"{policy['upload_dir']}/{secrets.token_hex(4)}-{file.name}"
        form = {name: policy[theirs] for name, theirs in _FORM.items()}
        form |= {"key": key, "success_action_status": "200", "x-oss-content-type": file.mime}
        self.wire.post_file(policy["upload_host"], file, "file", form, with_key=False)
        return f"oss://{key}"

    def create(self, plan: Plan, sent: Sent) -> str:
        media = _media(sent)
        body = {
            "model": self.model,
            "input": {"prompt": plan.prompt, **({"media": media} if media else {})},
            "parameters": parameters(plan),
        }
        headers = {**_HEADERS, **(_RESOLVE if media else {})}
        facts = self.wire.ask("POST", _CREATE, json=body, headers=headers, is_order=True)
        remote_id = text_at(facts, "output", "task_id")
        if not remote_id:
            raise RemoteError(f"{self.wire.address} took the order and answered no task_id")
        return remote_id

    def look(self, remote_id: str) -> Look:
        facts = self.wire.ask("GET", _task(remote_id))
        status = text_at(facts, "output", "task_status")
        if status == "SUCCEEDED":
            return self.wire.finished(text_at(facts, "output", "video_url"))
        if status in ("PENDING", "RUNNING"):
            return Look(is_running=status == "RUNNING")
        raise self._ended(remote_id, status, facts.get("output", {}))

    def _ended(self, remote_id: str, status: str, output: Json) -> RemoteError:
        said, code = self.wire.quoted(self.sentence(output)), text_at(output, "code")
        if status == "FAILED" and code.split(".")[0] in _REFUSALS:
            return RemoteRefused(f"{self.wire.address} refused the request: {said}")
        reasons = {
            "FAILED": f"failed: {said or 'it does not say why'}",
            "CANCELED": "was canceled there",
            "UNKNOWN": "is not known there any more",
        }
        how = reasons.get(status, f"has a status that is not known here, '{self.wire.quoted(status)[:40]}'")
        return RemoteError(f"task {remote_id[:64]} at {self.wire.address} {how}")

    def cancel(self, remote_id: str) -> None:
        self.wire.tell(
            f"{_task(remote_id)}/cancel",
            f"task {remote_id[:64]} was not canceled and goes on; DashScope cancels only what waits",
        )


def _task(remote_id: str) -> str:
    return f"/api/v1/tasks/{quote(remote_id, safe='')}"


def _media(sent: Sent) -> list[dict[str, str]]:
    listed = [("first_frame", sent.image), ("video", sent.video)]
    listed += [("reference_image", name) for name in sent.references]
    return [{"type": kind, "url": name} for kind, name in listed if name is not None]


def parameters(plan: Plan) -> dict[str, Any]:
    """What each mode takes; a first frame or a video fixes the ratio, a video the length."""
    found: dict[str, Any] = {
        "resolution": plan.resolution,
        "watermark": plan.watermark,
        "seed": plan.seed,
    }
    if plan.mode in ("t2v", "r2v"):
        found["ratio"] = plan.ratio
    if plan.mode == "edit":
        found["audio_setting"] = AUDIO[plan.sound]
    else:
        found["duration"] = round(plan.duration_s)
    return found

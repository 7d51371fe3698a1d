"""Uploads as the vendor's object store takes them: a signed policy, a form sent without a credential, `oss://` names in requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from happyhorse.api.compat.common import dialect_route
from happyhorse.api.compat.dashscope import object_id, render_error
from happyhorse.api.compat.reading import mode_of_model
from happyhorse.api.context import Context, Here
from happyhorse.errors import Forbidden, InvalidRequest

_POLICY_S = 300
_MAX_UPLOAD_MB = 100

router = APIRouter(route_class=dialect_route(render_error), tags=["dashscope"])
objects = APIRouter(route_class=dialect_route(render_error, key_first=False), tags=["dashscope"])
"""The object store, whose callers send no key."""


@dataclass(frozen=True)
class _Policy:
    """What an upload may do, as it was signed."""

    owner: str
    folder: str
    expires: int

    def text(self) -> str:
        return base64.b64encode(json.dumps([self.owner, self.folder, self.expires]).encode()).decode()


def _sign(text: str, here: Context) -> str:
    digest = hmac.new(here.links.secret, b"dashscope-upload\n" + text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


@router.get("/api/v1/uploads")
def get_policy(request: Request, here: Here, action: str = "", model: str = "") -> JSONResponse:
    """Where and how a local file may be sent."""
    who = here.auth.identify(request, "generate")
    if action != "getPolicy":
        raise InvalidRequest(f"action must be getPolicy; got '{action[:40]}'", field="action")
    mode_of_model(model)
    policy = _Policy(
        who.caller.owner, f"dashscope-instant/{secrets.token_hex(16)}", int(time.time()) + _POLICY_S
    )
    data = {
        "policy": policy.text(),
        "signature": _sign(policy.text(), here),
        "upload_dir": policy.folder,
        "upload_host": f"{here.links.base(request)}/api/v1/uploads/object",
        "oss_access_key_id": "happyhorse",
        "x_oss_object_acl": "private",
        "x_oss_forbid_overwrite": "true",
        "expire_in_seconds": _POLICY_S,
        "max_file_size_mb": _MAX_UPLOAD_MB,
        "capacity_limit_mb": 10 * _MAX_UPLOAD_MB,
    }
    return JSONResponse({"request_id": str(uuid.uuid4()), "data": data})


@objects.post("/api/v1/uploads/object")
def put_object(
    here: Here,
    key: Annotated[str, Form(max_length=512)],
    policy: Annotated[str, Form(max_length=1024)],
    signature: Annotated[str, Form(alias="Signature", max_length=128)],
    file: UploadFile,
) -> Response:
    """The object store's side: no credential but the signed policy."""
    if not hmac.compare_digest(_sign(policy, here).encode(), signature.encode()):
        raise Forbidden("the signature of the policy is wrong")
    allowed = _Policy(*json.loads(base64.b64decode(policy)))
    folder, _, name = key.rpartition("/")
    if allowed.expires < time.time():
        raise Forbidden("the policy has expired")
    if folder != allowed.folder or name in ("", ".", "..") or not name.isprintable() or len(name) > 255:
        raise Forbidden("the key is outside of upload_dir")
    here.service.uploads.add(file.file, name=name, owner=allowed.owner, file_id=object_id(key))
    return Response(status_code=200)

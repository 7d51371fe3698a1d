"""The body of a request as fields: JSON, or a form whose files become uploads. Also the limit on what a body may weigh."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from happyhorse.api.problems import problem
from happyhorse.errors import InvalidRequest
from happyhorse.jobs.blobs import MAX_UPLOAD_BYTES
from happyhorse.jobs.files import UploadStore

MAX_JSON_BYTES = 40_000_000
_FORM_OVERHEAD_BYTES = 1_000_000
_MAX_FORM_PARTS = 64
_MEDIA = ("image", "video", "voice", "references")
_UPLOAD_TYPES = (b"multipart/", b"image/", b"video/", b"audio/", b"application/octet-stream")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""As JSON writes the character; with a further backslash before it, it is six characters of somebody's text."""
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


async def read_fields(request: Request, uploads: UploadStore, owner: str) -> Mapping[str, object]:
    """Raises: InvalidRequest for what is neither; MediaError for a file that cannot be used."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _form(request, uploads, owner)
    if kind not in ("application/json", ""):
        raise InvalidRequest(
            f"Content-Type must be application/json or multipart/form-data; got '{kind[:60]}'"
        )
    fields = parse_json(await request.body())
    if not isinstance(fields, dict):
        raise InvalidRequest(f"the body must be a JSON object; got {type(fields).__name__}")
    return fields


def parse_json(text: str | bytes) -> object:
    """Raises: InvalidRequest for what is no JSON or holds text that cannot be kept."""
    value = _loads(text, "the body")
    check_text(value)
    return value


def _loads(text: str | bytes, what: str, *, field: str | None = None) -> object:
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as err:
        raise InvalidRequest(f"{what} is not JSON: {str(err)[:120]}", field=field) from err
    return value


def check_text(fields: object) -> None:
    """Refuse what no database keeps and no answer can quote: NUL, and halves of surrogate pairs."""
    try:
        text = json.dumps(fields, ensure_ascii=False)
        text.encode()
    except (UnicodeEncodeError, RecursionError) as err:
        raise InvalidRequest("the body holds text that is not Unicode") from err
    if _NUL.search(text):
        raise InvalidRequest("the body holds a NUL character")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


async def _form(request: Request, uploads: UploadStore, owner: str) -> Mapping[str, object]:
    fields: dict[str, object] = {}
    async with request.form(max_files=_MAX_FORM_PARTS, max_fields=_MAX_FORM_PARTS) as form:
        for name, value in form.multi_items():
            field = name.removesuffix("[]")
            if isinstance(value, UploadFile):
                if field not in _MEDIA:
                    raise InvalidRequest(
                        f"a file may be one of {', '.join(_MEDIA)}; got '{name[:60]}'", field=field
                    )
                stored = await run_in_threadpool(
                    uploads.add, value.file, name=value.filename or field, owner=owner, field=field
                )
                entry: object = {"file_id": stored.id}
            else:
                entry = _form_value(field, value)
                check_text({field: entry})
            if field == "references":
                fields[field] = (*cast(tuple[object, ...], fields.get(field, ())), entry)
            elif field in fields:
                raise InvalidRequest(f"{field} is given twice", field=field)
            else:
                fields[field] = entry
    return fields


def _form_value(field: str, text: str) -> object:
    if field in ("metadata", "characters") and text.lstrip().startswith("{"):
        return _loads(text, field, field=field)
    if field in ("watermark", "no_audio", "draft", "fit"):
        return _FLAGS.get(text.strip().lower(), text)
    return text


class LimitBody:
    """Refuses an address with NUL in it, and a body that is too large, before it is read whole."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            await problem(422, "invalid_request", "the address holds a NUL character")(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        is_upload = headers.get(b"content-type", b"").lower().startswith(_UPLOAD_TYPES)
        limit = MAX_UPLOAD_BYTES + _FORM_OVERHEAD_BYTES if is_upload else MAX_JSON_BYTES
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        await self._counted(scope, receive, send, limit)

    async def _counted(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        size, started = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except _TooLarge:
            if started:
                raise
            await _too_large(limit)(scope, receive, send)


class _TooLarge(BaseException):
    """Not an Exception: nothing between the reader and LimitBody may take it for its own."""


def _too_large(limit: int) -> ASGIApp:
    return problem(413, "too_large", f"the body is larger than {limit // 1_000_000} MB")

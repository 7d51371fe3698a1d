"""Bodies as the foreign SDKs send them: JSON, or a form whose files become uploads and whose names carry brackets.

seconds=3                              {"seconds": "3"}
metadata[ratio]=9:16                   {"metadata": {"ratio": "9:16"}}
reference_images[]=a, ...[]=b          {"reference_images": ["a", "b"]}
input_reference=<file>                 {"input_reference": {"file_id": "file-...", "kind": "image"}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from happyhorse.api.body import MAX_JSON_BYTES, check_text, read_fields
from happyhorse.errors import InvalidRequest
from happyhorse.jobs.files import UploadStore

_MAX_PARTS = 64
_MAX_DEPTH = 4
_NAME = re.compile(r"[^\[\]]+(?:\[[^\[\]]*\])*")


async def read_body(request: Request, uploads: UploadStore, owner: str) -> Mapping[str, object]:
    """The fields of either kind of body. Raises: InvalidRequest; MediaError for a file that cannot be used."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await read_fields(request, uploads, owner)
    fields: dict[str, object] = {}
    limits = {"max_files": _MAX_PARTS, "max_fields": _MAX_PARTS, "max_part_size": MAX_JSON_BYTES}
    async with request.form(**limits) as form:
        for name, value in form.multi_items():
            path = _path(name)
            if isinstance(value, UploadFile):
                stored = await run_in_threadpool(
                    uploads.add, value.file, name=value.filename or path[0], owner=owner, field=path[0]
                )
                _put(fields, path, {"file_id": stored.id, "kind": stored.info["kind"]})
            else:
                _put(fields, path, _value(path, value))
    check_text(fields)
    return fields


def _path(name: str) -> list[str]:
    """`a[b][]` as ["a", "b", ""]; the empty part stands for the next place of a list."""
    parts = re.split(r"[\[\]]+", name.removesuffix("]")) if _NAME.fullmatch(name) else []
    if not 1 <= len(parts) <= _MAX_DEPTH:
        raise InvalidRequest(f"a field of the form has a name that cannot be read: '{name[:60]}'")
    return parts


def _put(fields: dict[str, object], path: list[str], value: object) -> None:
    """Set a value; a name that comes again, or ends in [], makes a list."""
    *above, last = path[:-1] if path[-1] == "" else path
    for part in above:
        inner = fields.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InvalidRequest(f"{part} is given both as a value and as an object", field=path[0])
        fields = inner
    if last in fields or path[-1] == "":
        known = fields.get(last, [])
        listed = known if isinstance(known, list) else [known]
        fields[last] = [*cast("list[object]", listed), value]
    else:
        fields[last] = value


def _value(path: list[str], text: str) -> object:
    if path == ["metadata"] and text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as err:
            raise InvalidRequest(f"metadata is not JSON: {str(err)[:80]}", field="metadata") from err
    return text

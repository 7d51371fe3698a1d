"""The files of a command as they were typed. An input is a path, a URL or the id of an upload; what exists here is a path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from happyhorse.errors import InvalidRequest, MediaError

if TYPE_CHECKING:
    from happyhorse.request import GenerationRequest, MediaRef
    from happyhorse.shapes import MediaInfo

_ONE = ("image", "video", "voice")


def as_paths(fields: Mapping[str, object]) -> dict[str, object]:
    """For a clip made here: what exists is taken as a path whatever its name looks like."""
    return _each(fields, lambda _, typed: {"path": typed} if _exists(typed) else typed)


def as_sent(fields: Mapping[str, object]) -> dict[str, object]:
    """For the SDK, which uploads paths and sends URLs and ids as they are. Raises: MediaError for what is none of these."""
    return _each(fields, _to_send)


def output_path(typed: str, suffix: str = ".mp4") -> Path:
    """The output as a path. Raises: InvalidRequest when it names no file of this kind that can be written."""
    from happyhorse.media.write import writable

    allowed = f"output must be a name that ends in {suffix}"
    if not typed.strip():
        raise InvalidRequest(f"{allowed}; it is empty", field="output")
    path = Path(typed)
    if path.suffix.lower() != suffix:
        raise InvalidRequest(f"{allowed}; got '{typed}'", field="output")
    writable(path)
    if path.exists() and not path.is_file():
        raise InvalidRequest(f"output must be a plain file; '{typed}' is something else", field="output")
    return path


def free_path(name: str) -> Path:
    """A name in this folder that nothing has yet: clip.mp4, else clip-2.mp4, and so on."""
    path = wanted = Path(name)
    number = 1
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return path


def probed(request: GenerationRequest) -> dict[str, MediaInfo]:
    """Look at every input of a clip made here; by key. Raises: InvalidRequest or MediaError that names the field."""
    given: list[tuple[str, MediaRef | None, Literal["", "image", "video"]]] = [
        ("image", request.image, "image"),
        ("video", request.video, "video"),
        ("voice", request.voice, ""),
        *((f"reference {i}", reference, "image") for i, reference in enumerate(request.references, start=1)),
    ]
    media: dict[str, MediaInfo] = {}
    for field, reference, kind in given:
        if reference is None or reference.key in media:
            continue
        if reference.path is None:
            text = f"{field} must be a local file, or --server must name who fetches it; got '{reference.key[:60]}'"
            raise InvalidRequest(text, field=field)
        from happyhorse.media.read import probe

        media[reference.key] = probe(Path(reference.path), kind=kind, field=field)
    return media


def _each(fields: Mapping[str, object], read: Callable[[str, str], object]) -> dict[str, object]:
    found = dict(fields)
    for name in _ONE:
        if isinstance(typed := fields.get(name), str):
            found[name] = read(name, typed)
    several = cast(Sequence[str], fields.get("references") or ())
    found["references"] = [read(f"reference {i}", typed) for i, typed in enumerate(several, start=1)]
    return found


def _to_send(field: str, typed: str) -> object:
    if _exists(typed):
        return Path(typed)
    if re.match(r"(?i)https?://|data:|file-[\w-]+$", typed):
        return typed
    raise MediaError(f"{field}: '{typed}' does not exist", field=field)


def _exists(typed: str) -> bool:
    try:
        return bool(typed.strip()) and Path(typed).exists()
    except (OSError, ValueError):  # a name that is too long, or that holds a zero byte
        return False

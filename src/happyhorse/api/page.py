"""The page at `/`: static files of the package, which speak to `/v1` like any other client."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from happyhorse.errors import NotFound

router = APIRouter(include_in_schema=False)
_FOLDER = Path(str(resources.files("happyhorse") / "studio"))
_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing but this server is loaded or asked, and no other page may hold this one in a frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@router.head("/")
@router.get("/")
def index() -> FileResponse:
    return _file("index.html")


@router.head("/studio/{name}")
@router.get("/studio/{name}")
def part(name: str) -> FileResponse:
    if name not in {place.name for place in _FOLDER.iterdir()}:
        raise NotFound(f"the page has no part '{name[:60]}'")
    return _file(name)


def _file(name: str) -> FileResponse:
    place = _FOLDER / name
    return FileResponse(place, media_type=_TYPES[place.suffix], headers=dict(_HEADERS))

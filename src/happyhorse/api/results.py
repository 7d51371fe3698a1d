"""What is seen and heard of a generation: its clip, pictures of it, and while it is made the latest preview."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import FileResponse, MalformedRangeHeader

from happyhorse.api.access import job_for_caller
from happyhorse.api.context import Context, Here
from happyhorse.api.key_first import KeyFirst
from happyhorse.api.problems import file_answers
from happyhorse.errors import NotFound
from happyhorse.jobs.job import Job
from happyhorse.jobs.stills import StillFormat, frame_number, still

router = APIRouter(route_class=KeyFirst, tags=["generations"])
_HEADERS = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}


class StoredFile(FileResponse):
    """A content of the store: its ETag is the content's digest, so a download goes on wherever and however often it was fetched."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        """A Range that says nothing is overlooked (RFC 9110, 14.2) instead of refused."""
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []


@router.head("/v1/generations/{job_id}/content", include_in_schema=False)
@router.get(
    "/v1/generations/{job_id}/content", response_class=FileResponse, responses=file_answers("video/mp4")
)
def content(job_id: str, request: Request, here: Here) -> FileResponse:
    """The clip. Takes Range and HEAD; a signed link needs no credential."""
    job = _linked_job(job_id, request, here)
    return stored_file(job, "sha256", "video/mp4", f"{job.id}.mp4", here)


@router.head("/v1/generations/{job_id}/thumbnail", include_in_schema=False)
@router.get(
    "/v1/generations/{job_id}/thumbnail", response_class=FileResponse, responses=file_answers("image/jpeg")
)
def thumbnail(job_id: str, request: Request, here: Here) -> FileResponse:
    """Its first frame, as a small JPEG."""
    job = _linked_job(job_id, request, here)
    return stored_file(job, "thumbnail", "image/jpeg", f"{job.id}.jpg", here)


@router.get(
    "/v1/generations/{job_id}/frames/{frame}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}, "image/jpeg": {}}}},
)
def still_of(
    job_id: str,
    frame: str,
    request: Request,
    here: Here,
    kind: Annotated[StillFormat, Query(alias="format")] = "png",
) -> Response:
    """One frame of the clip by its number from 0, or `last`, in full size; send it as the image of the next request."""
    job = _linked_job(job_id, request, here)
    clip = here.service.blobs.path(_digest(job, "sha256"))
    assert job.output is not None
    number = frame_number(frame, int(str(job.output["num_frames"])))
    return Response(still(clip, number, kind), media_type=f"image/{kind}", headers=_HEADERS)


@router.get(
    "/v1/generations/{job_id}/previews/{number}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def preview(job_id: str, number: str, request: Request, here: Here) -> Response:
    """A small picture of the clip as it will be, from `progress.preview_url`; there is none when it is over."""
    job = _linked_job(job_id, request, here)
    found = here.service.store.events.preview(job.id, number)
    return Response(found, media_type="image/jpeg", headers=_HEADERS)


def stored_file(job: Job, name: str, media_type: str, filename: str, here: Context) -> FileResponse:
    """A part of the result, by its name in `output`. Raises: NotFound while there is none, and when it is no longer kept."""
    digest = _digest(job, name)
    return StoredFile(
        here.service.blobs.path(digest),
        media_type=media_type,
        filename=filename,
        content_disposition_type="inline",
        headers={**_HEADERS, "ETag": f'"{digest}"'},
    )


def _digest(job: Job, name: str) -> str:
    if job.output is None:
        raise NotFound(f"generation '{job.id}' is {job.status.value} and has no clip")
    return str(job.output[name])


def _linked_job(job_id: str, request: Request, here: Context) -> Job:
    """The job, of whoever it is when the link is signed."""
    if here.links.is_signed(request):
        return here.service.store.get(job_id, owner=None)
    return job_for_caller(job_id, request, here)

"""The inputs of a request: those in the store, those in the request itself, and those that other hosts send.

A job is created within SOON_S of its hosts. What has not come by then is planned as a stand-in that no limit refuses and
whose length costs the most; the worker that prepares the job fetches it and decides again (`submit.settled`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

from happyhorse.errors import InvalidRequest
from happyhorse.jobs.fetch import MAX_S, TooSlow
from happyhorse.jobs.files import UploadStore, media_info
from happyhorse.request import GenerationRequest, MediaRef
from happyhorse.shapes import FPS, MAX_DURATION_S, MediaInfo

SOON_S = 1.2
"""What is fetched while the caller waits has come by then; a create has to answer within 2 s."""
_SLACK_S = 0.1  # a fetch that ends by its own clock says so; only a look-up of a name knows no clock
_LOOK_S = 0.5

_PICTURE = MediaInfo("image", "", "png", "png", 0, "", width=1280, height=720)
_VIDEO = MediaInfo(
    "video",
    "",
    "mp4",
    "h264",
    0,
    "",
    width=1280,
    height=720,
    duration_s=MAX_DURATION_S,
    fps=FPS,
    num_frames=MAX_DURATION_S * FPS,
    has_audio=True,
)
_SOUND = MediaInfo("audio", "", "wav", "pcm_s16le", 0, "", duration_s=MAX_DURATION_S, has_audio=True)
_STAND_INS: Mapping[str, MediaInfo] = {
    "image": _PICTURE,
    "references": _PICTURE,
    "video": _VIDEO,
    "voice": _SOUND,
}


def inputs(request: GenerationRequest) -> list[tuple[str, MediaRef]]:
    """Every input of a request with the field that it stands in."""
    named = [("image", request.image), ("video", request.video), ("voice", request.voice)]
    named += [("references", reference) for reference in request.references]
    return [(field, reference) for field, reference in named if reference is not None]


def missing(request: GenerationRequest, known: Collection[str]) -> list[tuple[str, MediaRef]]:
    """The inputs whose keys are not among the known ones."""
    return [(field, reference) for field, reference in inputs(request) if reference.key not in known]


def stand_ins(request: GenerationRequest) -> dict[str, MediaInfo]:
    """Facts to plan each input by that has not come. Their `sha256` is empty."""
    return {reference.key: _STAND_INS[field] for field, reference in inputs(request)}


def is_data_url(url: str) -> bool:
    return url[:5].lower() == "data:"


@dataclass(frozen=True)
class Inputs:
    """Gets the inputs of requests. They are fetched beside each other: nine slow hosts take no longer than one."""

    uploads: UploadStore

    def soon(self, request: GenerationRequest, owner: str) -> dict[str, MediaInfo]:
        """What a probe sees in each input by its key; what a host does not send within SOON_S is left out.

        Raises: InvalidRequest, MediaError with the field for what cannot be used; NotFound.
        """
        wanted = inputs(request)
        with self._coming(wanted, owner, max_s=SOON_S) as coming:
            far = {reference.key for _, reference in wanted if _is_far(reference)}
            late = wait([coming[key] for key in far], timeout=SOON_S + _SLACK_S).not_done
            found = {key: _in_time(future) for key, future in coming.items() if future not in late}
        return {key: info for key, info in found.items() if info is not None}

    def fetch(
        self,
        request: GenerationRequest,
        owner: str,
        *,
        known: Collection[str] = (),
        on_wait: Callable[[], None] = lambda: None,
    ) -> dict[str, MediaInfo]:
        """What a probe sees in each input whose key is not known, however long that takes, up to fetch.MAX_S.

        Raises: as `soon`; MediaError for a host that is slower; what `on_wait` raises, which is called now and then.
        """
        with self._coming(missing(request, known), owner, max_s=MAX_S) as coming:
            while wait(coming.values(), timeout=_LOOK_S).not_done:
                on_wait()
            return {key: future.result() for key, future in coming.items()}

    @contextmanager
    def _coming(
        self, wanted: list[tuple[str, MediaRef]], owner: str, *, max_s: float
    ) -> Iterator[dict[str, Future[MediaInfo]]]:
        each = {reference.key: (field, reference) for field, reference in wanted}
        pool = ThreadPoolExecutor(max(len(each), 1), "inputs")
        try:
            yield {
                key: pool.submit(self._resolve, reference, field, owner, max_s)
                for key, (field, reference) in each.items()
            }
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _resolve(self, reference: MediaRef, field: str, owner: str, max_s: float) -> MediaInfo:
        if reference.file_id is not None:
            upload = self.uploads.get(reference.file_id, owner=owner)
        elif reference.url is not None and is_data_url(reference.url):
            upload = self.uploads.add_data_url(reference.url, owner=owner, field=field)
        elif reference.url is not None:
            upload = self.uploads.add_url(reference.url, owner=owner, field=field, max_s=max_s)
        else:
            text = f"{field}: files of the server are not read; upload the file and send its id"
            raise InvalidRequest(text, field=field)
        return media_info(upload.info, self.uploads.blobs)


def _is_far(reference: MediaRef) -> bool:
    return reference.url is not None and not is_data_url(reference.url)


def _in_time(future: Future[MediaInfo]) -> MediaInfo | None:
    try:
        return future.result()
    except TooSlow:
        return None

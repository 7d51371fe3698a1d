"""Probe and decode input files: images, video, sound. Every byte is parsed in the reader process (`sandbox.py`).

Files are judged by content, never by name. What cannot be used raises MediaError with one sentence: the field, the file,
what was wrong, the value seen and what is allowed.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from happyhorse.errors import MediaError
from happyhorse.media.content import UNKNOWN
from happyhorse.media.sandbox import Call, Kind, Reading, open_input, read, shaped
from happyhorse.shapes import MAX_DURATION_S, SAMPLE_RATE, MediaInfo


def probe(path: Path, *, kind: Kind = "", field: str = "file") -> MediaInfo:
    """Say what a file is. An image is decoded whole, a video's packets are all read, so truncation is found here.

    With `kind`, anything else is refused. Limits of size and length are the planner's, except what is too large to
    look at: 200 MB, 100 megapixels, 8192x4320 video, 600 s of sound.
    """
    with open_input(path, field) as file:
        reading = read(file, Call("probe", kind=kind), field=field)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    facts = reading.facts
    return MediaInfo(
        kind=cast(Literal["image", "video", "audio"], facts["kind"]),
        path=str(path),
        format=str(facts["format"]),
        codec=str(facts["codec"]),
        size_bytes=size,
        sha256=digest,
        width=int(facts["width"]),
        height=int(facts["height"]),
        duration_s=float(facts["duration_s"]),
        fps=float(facts["fps"]),
        num_frames=int(facts["num_frames"]),
        has_audio=bool(facts["has_audio"]),
        silent_s=float(facts["silent_s"]),
        remarks=str(facts["remarks"]),
        faces=None if facts["faces"] == UNKNOWN else int(facts["faces"]),
    )


def decode_image(
    path: Path, *, crop: tuple[int, int, int, int] | None = None, max_side: int = 4096, field: str = "image"
) -> NDArray[np.uint8]:
    """Return upright sRGB (h, w, 3); transparency over white. A side above max_side is scaled down to it.

    `crop` is (left, top, width, height) in pixels of the upright image as the probe saw it.

    Raises: MediaError, also for an animated image.
    """
    return _pixels(_call(path, Call("image", max_side=max_side, crop=crop or ()), field), field, path)


def decode_video(
    path: Path,
    *,
    max_seconds: float = MAX_DURATION_S,
    size: tuple[int, int] | None = None,
    field: str = "video",
) -> NDArray[np.uint8]:
    """Return upright RGB frames (n, h, w, 3) at a constant 25 fps, backed by an unnamed temporary file, not by memory.

    `size` is (width, height) to scale to; without it frames keep their size up to 1920x1088 pixels in area.
    High dynamic range is not tone-mapped.
    """
    width, height = size or (0, 0)
    call = Call("video", max_seconds=max_seconds, width=width, height=height)
    return _pixels(_call(path, call, field), field, path)


def decode_frame(path: Path, number: int, *, field: str = "video") -> NDArray[np.uint8]:
    """Return one upright RGB frame (h, w, 3): what is on screen at number / 25 fps; past the end, the last one."""
    return _pixels(_call(path, Call("frame", number=number), field), field, path)


def decode_audio(
    path: Path,
    *,
    max_seconds: float = 60.0,
    sample_rate: int = SAMPLE_RATE,
    channels: Literal[1, 2] = 2,
    field: str = "audio",
) -> NDArray[np.float32]:
    """Return samples (channels, n). In a file with pictures, sample 0 sounds with the first picture."""
    call = Call("audio", max_seconds=max_seconds, sample_rate=sample_rate, channels=channels)
    reading = _call(path, call, field)
    _check(reading, 4, field, path)
    return np.ascontiguousarray(reading.samples.view("<f4").reshape(reading.shape).T, dtype=np.float32)


def read_tags(path: Path, *, field: str = "file") -> dict[str, str]:
    """Return what a video or sound file says of itself (an MP4's tags, custom names included)."""
    reading = _call(path, Call("tags"), field)
    _check(reading, 1, field, path)
    tags: dict[str, str] = json.loads(reading.samples.tobytes())
    return tags


def _call(path: Path, call: Call, field: str) -> Reading:
    with open_input(path, field) as file:
        return read(file, call, field=field)


def _pixels(reading: Reading, field: str, path: Path) -> NDArray[np.uint8]:
    _check(reading, 1, field, path)
    return reading.samples.reshape(reading.shape)


def _check(reading: Reading, itemsize: int, field: str, path: Path) -> None:
    if not shaped(reading, itemsize):
        raise MediaError(
            f"{field}: {path.name} is damaged: fewer samples came back than it declares", field=field
        )

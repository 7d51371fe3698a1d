"""One frame of a finished clip as a picture, exact enough to be the first frame of the next clip."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal, get_args

from PIL import Image

from happyhorse.errors import InvalidRequest
from happyhorse.media.read import decode_frame

StillFormat = Literal["png", "jpeg"]
FORMATS: tuple[StillFormat, ...] = get_args(StillFormat)
LAST = "last"
_JPEG_QUALITY = 95
_PNG_LEVEL = 3


def frame_number(text: str, num_frames: int) -> int:
    """The number of a frame as it is asked for: from 0, or `last`. Raises: InvalidRequest with the field `frame`."""
    if text == LAST:
        return num_frames - 1
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < num_frames):
        allowed = f"a whole number from 0 to {num_frames - 1}, or {LAST}"
        raise InvalidRequest(f"frame must be {allowed}; got '{text[:40]}'", field="frame")
    return int(text)


def still(clip: Path, number: int, kind: StillFormat) -> bytes:
    """Frame `number` of a clip, encoded. Raises: MediaError when the clip cannot be read."""
    picture, data = Image.fromarray(decode_frame(clip, number)), io.BytesIO()
    if kind == "png":
        picture.save(data, "PNG", compress_level=_PNG_LEVEL)
    else:
        picture.save(data, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return data.getvalue()

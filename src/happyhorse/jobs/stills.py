"""Frames of a finished clip: one as a picture exact enough to be the first frame of the next clip, or nine small ones in a sheet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

from PIL import Image

from happyhorse.errors import InvalidRequest
from happyhorse.media.read import decode_frame

StillFormat = Literal["png", "jpeg"]
LAST = "last"
_JPEG_QUALITY = 95
_PNG_LEVEL = 3
_SHEET_SIDE = 3
_SHEET_CELL_PX = 320


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


def spritesheet(clip: Path, num_frames: int) -> bytes:
    """Nine frames of a clip at equal distances, in rows from first to last, as one small JPEG.

    Raises: MediaError when the clip cannot be read.
    """
    count = _SHEET_SIDE**2
    cells = [
        Image.fromarray(decode_frame(clip, round(n * (num_frames - 1) / (count - 1)))) for n in range(count)
    ]
    for cell in cells:
        cell.thumbnail((_SHEET_CELL_PX, _SHEET_CELL_PX))
    width, height = cells[0].size
    sheet, data = Image.new("RGB", (_SHEET_SIDE * width, _SHEET_SIDE * height)), io.BytesIO()
    for n, cell in enumerate(cells):
        sheet.paste(cell, (n % _SHEET_SIDE * width, n // _SHEET_SIDE * height))
    sheet.save(data, "JPEG", quality=_JPEG_QUALITY)
    return data.getvalue()

"""What the reader process says and how it refuses: shared by the parsers of images and of streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

READABLE = {
    "image": "JPEG, PNG, WEBP, BMP",
    "video": "MP4, MOV, WEBM, MKV",
    "audio": "WAV, MP3, M4A, FLAC, OGG",
}
UNKNOWN = -1
"""In place of a number of faces."""
_KINDS = (
    (b"\x1aE\xdf\xa3", 0, "Matroska/WEBM"),
    (b"ftypheic", 4, "HEIC"),
    (b"ftypavif", 4, "AVIF"),
    (b"ftyp", 4, "MP4/MOV"),
    (b"\x89PNG", 0, "PNG"),
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"WEBP", 8, "WEBP"),
    (b"GIF8", 0, "GIF"),
    (b"BM", 0, "BMP"),
    (b"II*\0", 0, "TIFF"),
    (b"MM\0*", 0, "TIFF"),
    (b"%PDF", 0, "PDF"),
    (b"PK\3\4", 0, "ZIP"),
    (b"WAVE", 8, "WAV"),
    (b"AVI ", 8, "AVI"),
)


class Refused(Exception):
    """The file is refused; the text continues a sentence that starts with its name."""


class Request(TypedDict):
    """One call. `kind` is what the caller needs the file to be, empty for anything."""

    op: str
    kind: str
    max_side: int
    crop: list[int]
    max_seconds: float
    number: int
    width: int
    height: int
    sample_rate: int
    channels: int


@dataclass
class Answer:
    """What was found; the fields of MediaInfo that the content decides, then the shape of the samples written."""

    kind: str = ""
    format: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    duration_s: float = 0.0
    fps: float = 0.0
    num_frames: int = 1
    has_audio: bool = False
    silent_s: float = 0.0
    remarks: str = ""
    faces: int = UNKNOWN
    shape: tuple[int, ...] = ()


def looks_like(head: bytes) -> str:
    """Name the content behind the first bytes of a file, for messages only."""
    for magic, offset, name in _KINDS:
        if head[offset : offset + len(magic)] == magic:
            return name
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as err:
        text = head[: err.start].decode("utf-8") if err.start > len(head) - 4 else "\0"
    return "text" if text.isprintable() or not set(text) & set("\0\1\2\3\4\5\6\7\b") else "unknown data"

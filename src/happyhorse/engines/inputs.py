"""The limits of input files, and what is said of a first frame, judged by what a probe found in them (specs/api.md 1.3, the wider bound of each pair)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from happyhorse.engines.base import Capabilities
from happyhorse.errors import MediaError
from happyhorse.request import GenerationRequest, MediaRef
from happyhorse.shapes import MediaInfo

MB = 1_000_000
IMAGE_FORMATS = frozenset({"jpeg", "png", "webp", "bmp"})
VIDEO_FORMATS = frozenset({"mp4", "mov", "webm", "matroska"})
"""MP4 and MOV as published; WebM and Matroska are ours, since a VP9 file is usually one of them."""


_WORDS = {"image": "an image", "video": "a video", "audio": "a sound file"}


@dataclass(frozen=True)
class Inputs:
    """The probed files of one request."""

    image: MediaInfo | None
    references: tuple[MediaInfo, ...]
    video: MediaInfo | None
    voice: MediaInfo | None


@dataclass(frozen=True)
class _ImageLimits:
    min_side_px: int
    max_aspect: float | None
    max_bytes: int = 20 * MB


_FIRST_FRAME = _ImageLimits(300, 2.5)
_REFERENCE = _ImageLimits(400, None)
_EDIT_REFERENCE = _ImageLimits(300, 2.5)

MIN_VIDEO_S, MAX_VIDEO_S = 3.0, 60.0
MIN_VIDEO_FPS = 8.0
MIN_VIDEO_SIDE_PX, MAX_VIDEO_SIDE_PX = 320, 4096
MAX_VIDEO_ASPECT = 8.0
MAX_VIDEO_BYTES = 100 * MB
MIN_VOICE_S, MAX_VOICE_S = 0.5, 60.0
MAX_VOICE_BYTES = 20 * MB


def check_inputs(request: GenerationRequest, media: Mapping[str, MediaInfo]) -> Inputs:
    """Collect the facts of each input of the request. Raises: MediaError naming the field, the limit and the value."""
    limits = _EDIT_REFERENCE if request.video else _REFERENCE
    image = _found(request.image, media)
    references = tuple(media[reference.key] for reference in request.references)
    video, voice = _found(request.video, media), _found(request.voice, media)
    if image is not None:
        _check_image("image", image, _FIRST_FRAME)
    for number, info in enumerate(references, start=1):
        _check_image(f"reference {number}", info, limits)
    if video is not None:
        _check_video(video)
    if voice is not None:
        _check_voice(voice)
    return Inputs(image, references, video, voice)


def check_heard(voice: MediaInfo | None, *, seconds: float) -> None:
    """Raises: MediaError for a track that is silent as far as a clip of so many seconds plays it."""
    if voice is None:
        return
    played_s = min(voice.duration_s, seconds)
    if voice.silent_s >= played_s:
        raise _refused(
            "voice",
            f"is silent in its first {played_s:.2f} s, all that is played; it must hold the speech that the mouth is to follow",
        )


def note_image(
    image: MediaInfo | None, capabilities: Capabilities, notes: list[str], *, moves_mouth: bool
) -> None:
    """Say what to expect of a first frame; nothing is refused for it. With `moves_mouth`, someone in it is to speak."""
    if image is None:
        return
    if capabilities.first_frame_note:
        notes.append(capabilities.first_frame_note)
    if image.remarks:
        notes.append(f"the image looks {image.remarks}; the clip keeps what its first frame has")
    if image.faces is not None and image.faces > 1:
        notes.append(f"the image shows {image.faces} faces; {capabilities.several_faces_note}")
    if image.faces == 0 and moves_mouth:
        notes.append(
            "no face was found in the image: the line has no speaker, or one who is not in the image appears"
        )


def _found(reference: MediaRef | None, media: Mapping[str, MediaInfo]) -> MediaInfo | None:
    return None if reference is None else media[reference.key]


def _check_image(field: str, info: MediaInfo, limits: _ImageLimits) -> None:
    _expect(field, info, kind="image", formats=IMAGE_FORMATS)
    size = f"{info.width}x{info.height}"
    if info.num_frames > 1:
        raise _refused(field, f"is animated ({info.num_frames} pictures); give one still picture")
    if min(info.width, info.height) < limits.min_side_px:
        raise _refused(field, f"is {size} pixels; both sides must be at least {limits.min_side_px}")
    if limits.max_aspect is not None:
        _check_aspect(field, info, limits.max_aspect)
    _check_bytes(field, info, limits.max_bytes)


def _check_video(info: MediaInfo) -> None:
    _expect("video", info, kind="video", formats=VIDEO_FORMATS)
    slack_s = 1 / max(info.fps, 1.0)  # containers round the last picture up or down
    if not MIN_VIDEO_S - slack_s <= info.duration_s <= MAX_VIDEO_S + slack_s:
        raise _refused(
            "video", f"lasts {info.duration_s:.2f} s; it must last {MIN_VIDEO_S:.0f} to {MAX_VIDEO_S:.0f} s"
        )
    if info.fps <= MIN_VIDEO_FPS:
        raise _refused(
            "video", f"has {info.fps:g} pictures a second; it must have more than {MIN_VIDEO_FPS:g}"
        )
    if min(info.width, info.height) < MIN_VIDEO_SIDE_PX or max(info.width, info.height) > MAX_VIDEO_SIDE_PX:
        size = f"{info.width}x{info.height}"
        limit = f"its sides must be {MIN_VIDEO_SIDE_PX} to {MAX_VIDEO_SIDE_PX}"
        raise _refused("video", f"is {size} pixels; {limit}")
    _check_aspect("video", info, MAX_VIDEO_ASPECT)
    _check_bytes("video", info, MAX_VIDEO_BYTES)


def _check_voice(info: MediaInfo) -> None:
    if info.kind == "image" or not info.has_audio:
        raise _refused("voice", f"is {_named(info)} without sound; it must be a sound file")
    if not MIN_VOICE_S <= info.duration_s <= MAX_VOICE_S:
        raise _refused(
            "voice", f"lasts {info.duration_s:.2f} s; it must last {MIN_VOICE_S:g} to {MAX_VOICE_S:g} s"
        )
    _check_bytes("voice", info, MAX_VOICE_BYTES)


def _expect(field: str, info: MediaInfo, *, kind: str, formats: frozenset[str]) -> None:
    if info.kind != kind:
        raise _refused(field, f"is {_named(info)}; it must be {_WORDS[kind]}")
    if not formats & set(info.format.lower().split(",")):  # ffmpeg names a family: "mov,mp4,m4a,..."
        names = ", ".join(sorted(name.upper() for name in formats))
        raise _refused(field, f"is {_article(info.format)} {info.format} file; it must be one of {names}")


def _check_aspect(field: str, info: MediaInfo, limit: float) -> None:
    if max(info.width, info.height) > limit * min(info.width, info.height):
        size = f"{info.width}x{info.height}"
        raise _refused(field, f"is {size} pixels; one side may be at most {limit:g} times the other")


def _check_bytes(field: str, info: MediaInfo, limit: int) -> None:
    if info.size_bytes > limit:
        raise _refused(field, f"has {info.size_bytes / MB:.1f} MB; it must have at most {limit // MB} MB")


def _named(info: MediaInfo) -> str:
    return f"{_WORDS[info.kind]} ({info.format})"


def _article(name: str) -> str:
    return "an" if name[:1] in "aeiou" else "a"


def _refused(field: str, text: str) -> MediaError:
    return MediaError(f"{field} {text}", field="references" if field.startswith("reference") else field)

"""A foreign body as our request: names of models, one reading of flat bodies, and under which names the caller gave each field.

The rules are those of specs/api.md sections 1.1 and 1.2; no dialect has limits or defaults of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from happyhorse.errors import InvalidRequest, NotFound
from happyhorse.request import MAX_EDIT_REFERENCES, MAX_REFERENCES, Mode
from happyhorse.shapes import RESOLUTIONS, nearest_ratio, output_size, ratio_value

MODES: Mapping[str, Mode] = {
    "t2v": "t2v", "text-to-video": "t2v", "i2v": "i2v", "image-to-video": "i2v", "r2v": "r2v", "reference-to-video": "r2v",
    "video-edit": "edit", "videoedit": "edit", "edit": "edit",
}  # fmt: skip
_MODEL = re.compile(r"happy-?horse(?:-(1[.-][01]))?(?:-([a-z0-9-]+))?")
_PREFIXES = re.compile(r"^(?:alibaba/|wan/|dashscope/|model_)+")
_FLAGS: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}
ABSENT: tuple[object, ...] = (None, "", [], {})

_MAX_RATIO_ERROR = 0.04

# our field -> the names that dialects give it, in the order in which they count
NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt",),
    "resolution": ("resolution",),
    "ratio": ("ratio", "aspect_ratio"),
    "duration": ("duration", "seconds"),
    "seed": ("seed",),
    "watermark": ("watermark",),
    "audio": ("audio_setting",),
    "no_audio": ("generate_audio", "audio"),
    "image": ("image", "image_url", "first_frame"),
    "images": ("images", "image_urls"),
    "references": ("reference_images", "reference_image_urls"),
    "video": ("video", "video_url"),
    "webhook_url": ("webhook_url", "callback_url", "webhook"),
}
# mode -> how many pictures it takes: (least, most)
_PICTURES: Mapping[Mode, tuple[int, int]] = {
    "t2v": (0, 0), "i2v": (1, 1), "r2v": (1, MAX_REFERENCES), "edit": (0, MAX_EDIT_REFERENCES),
}  # fmt: skip


class ModelNotFound(NotFound):
    """There is no such model."""


@dataclass(frozen=True)
class Translation:
    """Fields of a GenerationRequest, and what the caller calls each of them."""

    fields: Mapping[str, object]
    names: Mapping[str, str]


def mode_of_model(name: object) -> Mode | None:
    """The mode that a model's name stands for; None for the name of the family. Raises: ModelNotFound."""
    plain = _PREFIXES.sub("", name.strip().lower()) if isinstance(name, str) else ""
    found = _MODEL.fullmatch(plain)
    if found is None or (found[2] is not None and found[2] not in MODES):
        raise ModelNotFound(f"Model not exist: {str(name)[:80]}", field="model")
    return MODES[found[2]] if found[2] else None


def translate(
    body: Mapping[str, object],
    *,
    model: str,
    mode: Mode | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
) -> Translation:
    """Our request from a flat body; fields that nobody knows are ignored, as the hosted services do.

    Args:
        body: the caller's fields.
        model: what the job is to show as its model; decides the mode unless `mode` is given.
        mode: where the address already says it.
        names: further names of this dialect for our fields (`image`: the first frame, `images`: one is a first frame and more
            are references, `references`, `video`, ...); its first name stands in errors about what is missing.

    Raises: ModelNotFound; InvalidRequest naming the caller's field.
    """
    reading = _Reading(body, names or {})
    fields: dict[str, object] = {"prompt": "", "resolution": "1080P"}
    for field in ("prompt", "resolution", "ratio", "duration", "seed"):
        value = reading.take(field)
        if value is not None:
            fields[field] = value
    fields["watermark"] = flag(reading.take("watermark"), default=False)
    fields |= _silence(reading)
    mode = mode or mode_of_model(model)
    fields |= _place(mode, reading)
    if "video" in fields or "image" in fields:
        fields.pop("ratio", None)  # the clip follows its input
    if "video" in fields:
        fields.pop("duration", None)
        fields["audio"] = reading.take("audio") or "auto"
    return Translation({**fields, "metadata": {"model": model[:100]}}, reading.names)


def require(body: Mapping[str, object], *names: str) -> None:
    """Raises: InvalidRequest naming the first of the caller's fields that holds nothing."""
    for name in names:
        if body.get(name) in ABSENT:
            raise InvalidRequest(f"{name} is required", field=name)


class _Reading:
    """Reads a flat body by our names, and remembers under which name the caller gave each field."""

    def __init__(self, body: Mapping[str, object], names: Mapping[str, Sequence[str]]) -> None:
        self.body = body
        self.known = {field: (*names.get(field, ()), *usual) for field, usual in NAMES.items()}
        self.names = {field: known[0].partition(":")[0] for field, known in self.known.items()}

    def take(self, field: str) -> object | None:
        """The value of the first name that holds one. A dialect that reads two fields from one calls them `name:part`."""
        for name in self.known[field]:
            value = self.body.get(name)
            if value not in ABSENT:
                self.names[field] = name.partition(":")[0]
                return value
        return None

    def media(self, field: str) -> list[object]:
        """The inputs under a field, one or a list."""
        value = self.take(field)
        listed = value if isinstance(value, list) else [] if value is None else [value]
        return [media_ref(entry, self.names[field]) for entry in listed]


def media_ref(value: object, name: str) -> object:
    """An input as our request takes it: text, or {url}, {image_url}, {file_id} in any nesting that clients use.

    {job_id} is the clip of another job; `queue` looks it up.
    Raises: InvalidRequest naming the caller's field.
    """
    if isinstance(value, dict):
        for key in ("url", "image_url", "video_url"):
            if key in value:
                return media_ref(value[key], name)
        for key in ("file_id", "job_id"):
            if isinstance(value.get(key), str):
                return {key: value[key]}
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(
            f"{name} must be a URL, a data URL or a file id; got {str(value)[:40]!r}", field=name
        )
    return value


def _place(mode: Mode | None, reading: _Reading) -> dict[str, object]:
    """Put pictures and video where the mode has them. Raises: InvalidRequest when it takes others, or another number."""
    frames, listed, references = (reading.media(field) for field in ("image", "images", "references"))
    videos = reading.media("video")
    if mode is None:
        mode = _mode_of_inputs(len(frames) + len(listed), len(references), len(videos))
    pictures = [*frames, *listed, *references]
    name = reading.names["references" if references else "images" if listed else "image"]
    if not pictures and mode == "r2v":
        name = reading.names["references"]
    _check_count(mode, name, len(pictures), *_PICTURES[mode])
    _check_count(mode, reading.names["video"], len(videos), *((1, 1) if mode == "edit" else (0, 0)))
    reading.names |= {"image": name, "references": name}
    fields: dict[str, object] = {"video": videos[0]} if videos else {}
    if mode == "i2v":
        fields["image"] = pictures[0]
    elif pictures:
        fields["references"] = pictures
    return fields


def _mode_of_inputs(num_frames: int, num_references: int, num_videos: int) -> Mode:
    if num_videos:
        return "edit"
    if num_references or num_frames > 1:
        return "r2v"
    return "i2v" if num_frames else "t2v"


def _check_count(mode: Mode, name: str, count: int, least: int, most: int) -> None:
    if not least <= count <= most:
        allowed = "none" if most == 0 else str(least) if least == most else f"{least} to {most}"
        raise InvalidRequest(f"{name}: a {mode} model takes {allowed}; got {count}", field=name)


def _silence(reading: _Reading) -> dict[str, object]:
    value = reading.take("no_audio")
    if value is None:
        return {}
    wanted = flag(value, default=True)
    if not isinstance(wanted, bool):
        name = reading.names["no_audio"]
        raise InvalidRequest(f"{name} must be true or false; got {str(value)[:40]!r}", field=name)
    return {"no_audio": not wanted}


def read_size(value: object) -> dict[str, str]:
    """Resolution and ratio from `1280x720`, `1280*720`, or from the name of a tier. Raises: InvalidRequest with the field `size`."""
    text = str(value).strip().lower()
    if re.fullmatch(r"\d{3,4}p", text):
        return {"resolution": text}
    sides = re.fullmatch(r"(\d{2,5})[x*](\d{2,5})", text)
    found = tier(int(sides[1]), int(sides[2])) if sides else None
    if found is None:
        example = "such as 1280x720 in one of the nine ratios, or 480P, 720P, 1080P"
        raise InvalidRequest(f"size must be WIDTHxHEIGHT {example}; got '{text[:40]}'", field="size")
    return {"resolution": found[0], "ratio": found[1]}


def tier(width: int, height: int) -> tuple[str, str] | None:
    """The resolution nearest by area, and the ratio that a size in pixels has within 4 %; None when it has none of them."""
    if not width or not height:
        return None
    ratio = nearest_ratio(width, height)
    if abs(width / height / ratio_value(ratio) - 1) > _MAX_RATIO_ERROR:
        return None

    def distance(resolution: str) -> float:
        return abs(math.log(width * height / math.prod(output_size(resolution, ratio))))

    return min(RESOLUTIONS, key=distance), ratio


def flag(value: object, *, default: bool) -> object:
    """A boolean, also from the text that forms carry; anything else as it is, for the validator to refuse."""
    if value is None:
        return default
    return _FLAGS.get(value.strip().lower(), value) if isinstance(value, str) else value

"""The one public contract: what can be asked for, and what comes back.

Every way in (command line, native API, foreign dialects, campaigns, SDK) makes a GenerationRequest, and every engine
returns an Output. The mode is never sent; it follows from which inputs are present:

    image  references  video   mode   rule
    -      -           -       t2v    the prompt alone
    x      -           -       i2v    the image is the first frame and fixes the ratio; the prompt may be empty
    -      x           -       r2v    1-9 images, bound to character1..9 or [Image N] by their order
    -      -           x       edit   the video is changed as the prompt says
    -      x           x       edit   as above, with 1-5 images to take things from
    x      x           -       no     a first frame already shows who is there: send the image as one more reference
    x      -           x       no     the video already has a first frame: send the image as a reference
    x      x           x       no     as above

    voice       drives lips and speech in t2v, i2v and r2v; refused in edit, where `audio` decides
    audio       only in edit; elsewhere sound is always made, and `no_audio` leaves the track out
    no_audio    with voice: the lips move, the file is silent; with audio=retain: refused, they contradict
    reframe     only with an image: crops it to this ratio before it becomes the first frame
    characters  only with references: several images may show one character

Defaults that depend on the engine or the inputs (duration, resolution, ratio, seed) stay None here; the plan decides them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from happyhorse.errors import InvalidRequest
from happyhorse.shapes import MAX_DURATION_S, MIN_DURATION_S, RATIOS, RESOLUTIONS

Mode = Literal["t2v", "i2v", "r2v", "edit"]
AudioSetting = Literal["auto", "retain", "remove"]
Language = Literal["en", "zh", "yue", "ja", "ko", "de", "fr"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_NAMES: Mapping[str, str] = {
    "en": "English",
    "zh": "Mandarin",
    "yue": "Cantonese",
    "ja": "Japanese",
    "ko": "Korean",
    "de": "German",
    "fr": "French",
}
MAX_SEED = 2_147_483_647
MAX_REFERENCES = 9
MAX_EDIT_REFERENCES = 5
MAX_METADATA = 32
MAX_METADATA_CHARS = 500

# Which inputs may stand together: the table of the module docstring, as data.
_MODES: dict[frozenset[str], Mode] = {
    frozenset(): "t2v",
    frozenset({"image"}): "i2v",
    frozenset({"references"}): "r2v",
    frozenset({"video"}): "edit",
    frozenset({"video", "references"}): "edit",
}

# What each field takes, as it ends the sentence "<field> must be ...".
_ALLOWED: dict[str, str] = {
    "prompt": "text in UTF-8",
    "image": "one image file",
    "references": f"a list of 1 to {MAX_REFERENCES} image files ({MAX_EDIT_REFERENCES} with a video)",
    "video": "one video file",
    "voice": "one sound file",
    "characters": "a mapping such as character1=1,2,3, from character1..9 to reference numbers, each used once",
    "language": f"one of {', '.join(LANGUAGES)}",
    "duration": f"a whole number of seconds from {MIN_DURATION_S} to {MAX_DURATION_S}",
    "resolution": f"one of {', '.join(RESOLUTIONS)}",
    "ratio": f"one of {', '.join(RATIOS)}",
    "reframe": f"one of {', '.join(RATIOS)}",
    "seed": f"a whole number from 0 to {MAX_SEED}",
    "watermark": "true or false",
    "no_audio": "true or false",
    "audio": "auto, retain (also called origin) or remove",
    "engine": "the name of an engine, such as nano or testcard",
    "draft": "true or false",
    "fit": "true or false",
    "negative_prompt": "text",
    "metadata": f"at most {MAX_METADATA} pairs of text, each text at most {MAX_METADATA_CHARS} characters",
    "parent": "the id of a job",
}

_REGIONS = {
    "zh-hk": "yue",
    "zh-mo": "yue",
    "zh-yue": "yue",
    "cantonese": "yue",
    "mandarin": "zh",
    "jp": "ja",
    "kr": "ko",
}
_REGIONS.update({name.lower(): code for code, name in LANGUAGE_NAMES.items()})


def _refusal() -> PydanticCustomError:
    return PydanticCustomError("not_allowed", "not allowed")


def _whole_number(value: object) -> object:
    if isinstance(value, bool):
        raise _refusal()
    if isinstance(value, str) and re.fullmatch(r"\s*\+?[0-9]{1,12}(?:\.0*)?\s*", value):
        return int(float(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, int):
        return value
    raise _refusal()


def _within(low: int, high: int) -> BeforeValidator:
    def check(value: object) -> object:
        number = _whole_number(value)
        if isinstance(number, int) and not low <= number <= high:
            raise _refusal()
        return number

    return BeforeValidator(check)


def _one_of(*names: str) -> BeforeValidator:
    by_name = {name.lower(): name for name in names}

    def check(value: object) -> object:
        if value is None:
            return None
        found = by_name.get(value.strip().lower()) if isinstance(value, str) else None
        if found is None:
            raise _refusal()
        return found

    return BeforeValidator(check)


def _language(value: object) -> object:
    if value is None:
        return None
    name = value.strip().lower().replace("_", "-") if isinstance(value, str) else ""
    code = _REGIONS.get(name, name.split("-")[0])
    if code not in LANGUAGES:
        raise _refusal()
    return code


def _audio(value: object) -> object:
    name = value.strip().lower() if isinstance(value, str) else value
    name = "retain" if name == "origin" else name
    if name is not None and name not in get_args(AudioSetting):
        raise _refusal()
    return name


def _characters(value: object) -> object:
    """Accept {"character1": [1, 2]}, {"1": "1,2"} or ["character1=1,2"], in any letter case."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        if not all(isinstance(entry, str) and entry.count("=") == 1 for entry in value):
            raise _refusal()
        value = dict(entry.split("=") for entry in value)
    if not isinstance(value, Mapping):
        raise _refusal()
    found: dict[str, tuple[int, ...]] = {}
    for name, listed in value.items():
        number = re.fullmatch(r"(?:character)?\s*([1-9])", str(name).strip().lower())
        images = listed.split(",") if isinstance(listed, str) else listed
        if number is None or not isinstance(images, list | tuple) or not images:
            raise _refusal()
        found[f"character{number[1]}"] = tuple(_image_number(image) for image in images)
    claimed = [image for images in found.values() for image in images]
    if len(set(claimed)) != len(claimed):
        raise _refusal()
    return found


def _image_number(value: object) -> int:
    number = _whole_number(value)
    if not isinstance(number, int) or not 1 <= number <= MAX_REFERENCES:
        raise _refusal()
    return number


def _metadata(value: object) -> object:
    texts = [_text(text) for pair in value.items() for text in pair] if isinstance(value, Mapping) else [None]
    if len(texts) > 2 * MAX_METADATA or not all(
        isinstance(t, str) and len(t) <= MAX_METADATA_CHARS for t in texts
    ):
        raise _refusal()
    return value


def _text(value: object) -> object:
    """Refuse what cannot be written as UTF-8 (half a surrogate pair, as broken input leaves behind)."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as err:
            raise _refusal() from err
    return value


class MediaRef(BaseModel):
    """One input file: a local path, a URL (http, https or data) or the id of an uploaded file. Text is accepted for each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = None
    url: str | None = None
    file_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if re.match(r"(?i)https?://|data:", value):
            return {"url": value}
        if re.fullmatch(r"file-[A-Za-z0-9_-]+", value):
            return {"file_id": value}
        return {"path": value}

    @model_validator(mode="after")
    def _exactly_one(self) -> MediaRef:
        given = [value for value in (self.path, self.url, self.file_id) if value is not None]
        if len(given) != 1 or not given[0].strip() or "\0" in given[0]:
            raise _refusal()
        return self

    @property
    def key(self) -> str:
        """The path, URL or id: what the probed facts of this file are found by."""
        return self.path or self.url or self.file_id or ""


_Ratio = Annotated[str | None, _one_of(*RATIOS)]
_Text = Annotated[str, BeforeValidator(_text)]


class GenerationRequest(BaseModel):
    """One clip, as asked for. Build it from untrusted data with `parse_request`, which raises our own errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: _Text = ""
    image: MediaRef | None = None
    references: tuple[MediaRef, ...] = ()
    video: MediaRef | None = None
    voice: MediaRef | None = None
    characters: Annotated[dict[str, tuple[int, ...]], BeforeValidator(_characters)] = {}
    language: Annotated[Language | None, BeforeValidator(_language)] = None
    duration: Annotated[int | None, _within(MIN_DURATION_S, MAX_DURATION_S)] = None
    resolution: Annotated[str | None, _one_of(*RESOLUTIONS)] = None
    ratio: _Ratio = None
    reframe: _Ratio = None
    seed: Annotated[int | None, _within(0, MAX_SEED)] = None
    watermark: StrictBool = False
    no_audio: StrictBool = False
    audio: Annotated[AudioSetting | None, BeforeValidator(_audio)] = None
    engine: str = "nano"
    draft: StrictBool = False
    fit: StrictBool = False
    negative_prompt: _Text | None = None
    metadata: Annotated[dict[str, str], BeforeValidator(_metadata)] = {}
    parent: _Text | None = None

    @property
    def mode(self) -> Mode:
        """What kind of generation this is, by the inputs that are present."""
        return _MODES[self._inputs()]

    def _inputs(self) -> frozenset[str]:
        return frozenset(name for name in ("image", "references", "video") if getattr(self, name))

    @model_validator(mode="after")
    def _mixtures(self) -> GenerationRequest:
        _check_inputs(self._inputs(), len(self.references))
        _check_sound(self)
        if self.reframe is not None and self.image is None:
            raise _sentence("reframe", "reframe crops a first frame and there is no image; set ratio instead")
        if self.characters and not self.references:
            raise _sentence(
                "characters", "characters names reference images and there are none; add references"
            )
        for name, images in self.characters.items():
            if max(images) > len(self.references):
                count = len(self.references)
                there = "there is 1" if count == 1 else f"there are {count}"
                text = f"characters binds {name} to reference {max(images)}, but {there}"
                raise _sentence("characters", text)
        if self.mode != "i2v" and not has_words(self.prompt):
            raise _sentence("prompt", _no_words(self.prompt))
        return self


def _check_inputs(inputs: frozenset[str], num_references: int) -> None:
    if {"image", "video"} <= inputs:
        text = "image and video cannot be combined: a video has its own first frame; send the image in references"
        raise _sentence("image", text)
    if {"image", "references"} <= inputs:
        text = "image and references cannot be combined: the first frame already shows who is there; send the image in references"
        raise _sentence("image", text)
    limit = MAX_EDIT_REFERENCES if "video" in inputs else MAX_REFERENCES
    if num_references > limit:
        with_video = " with a video" if "video" in inputs else ""
        raise _sentence(
            "references", f"references takes at most {limit} images{with_video}; got {num_references}"
        )


def _check_sound(request: GenerationRequest) -> None:
    if request.video is None and request.audio is not None:
        silent = "; use no_audio for a silent clip" if request.audio == "remove" else ""
        text = f"audio={request.audio} is for editing a video and there is none{silent}"
        raise _sentence("audio", text)
    if request.video is not None and request.voice is not None:
        raise _sentence("voice", "voice and video cannot be combined: in an edit, audio decides the sound")
    if request.no_audio and request.audio == "retain":
        raise _sentence("no_audio", "no_audio and audio=retain contradict each other; give one of them")


def _no_words(prompt: str) -> str:
    if not prompt.strip():
        return "prompt is empty; say in a sentence what to show"
    return f"prompt has no words: {_shown(prompt)}; say in a sentence what to show"


def has_words(prompt: str) -> bool:
    """Whether there is a letter or digit of any script: symbols and emoji alone describe no scene."""
    return any(character.isalnum() for character in prompt)


def parse_request(fields: Mapping[str, object]) -> GenerationRequest:
    """Build a request from untrusted fields.

    Raises: InvalidRequest with one sentence that names the field, the value seen and what is allowed. Unknown names are
    refused too, since a typo that is dropped makes the wrong clip; a wire dialect passes only the names that it knows.
    """
    try:
        return GenerationRequest.model_validate(dict(fields))
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        field, message = _explain(
            first["type"], first["loc"], first["input"], first.get("ctx", {}), first["msg"]
        )
        raise InvalidRequest(message, field=field) from err


def _sentence(field: str, text: str) -> PydanticCustomError:
    return PydanticCustomError("sentence", "{text}", {"text": text, "field": field})


def _explain(
    kind: str, loc: tuple[int | str, ...], value: object, context: Mapping[str, Any], text: str
) -> tuple[str | None, str]:
    if kind == "sentence":
        return str(context["field"]), text
    field = str(loc[0]) if loc else None
    if field is None:
        return None, f"a request must be a mapping of fields; got {_shown(value)}"
    if field not in _ALLOWED:
        close = difflib.get_close_matches(field, _ALLOWED, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known fields: {', '.join(_ALLOWED)}"
        return field, f"{_shown(field)} is not a field of a request; {hint}"
    if field == "references" and len(loc) > 1:
        return (
            field,
            f"references must be one image file each; got {_shown(value)} as number {int(loc[1]) + 1}",
        )
    return field, f"{field} must be {_ALLOWED[field]}; got {_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, list | tuple) and value and all(isinstance(entry, str) for entry in value):
        return ", ".join(_shown(entry) for entry in value[:3]) + (", ..." if len(value) > 3 else "")
    text = (
        repr(value) if not isinstance(value, str) else "'" + value.encode("utf-8", "replace").decode() + "'"
    )
    text = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return text if len(text) <= 80 else f"{text[:77]}..."


@dataclass(frozen=True)
class Output:
    """A finished clip. `base_width` x `base_height` is the size that the engine made before enlarging it."""

    path: str
    width: int
    height: int
    duration_s: float
    fps: int
    num_frames: int
    seed: int
    engine: str
    weights_hash: str
    size_bytes: int
    base_width: int
    base_height: int
    notes: tuple[str, ...] = ()

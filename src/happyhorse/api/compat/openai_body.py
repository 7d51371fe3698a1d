"""What OpenAI Videos sends, as our request: the official fields, those that gateways add, and the ids. See `openai`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from happyhorse.api.compat.reading import MODES, NAMES, Translation, mode_of_model, read_size, translate
from happyhorse.errors import InvalidRequest, NotFound
from happyhorse.request import Mode

DEFAULT_MODEL = "happyhorse-1.1"
_OWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "duration": ("seconds", "duration"),
    "image": ("input_reference", "image"),
    "video": ("video", "video_url", "videos"),
}
_MEDIA_FIELDS = {"first_frame": "image", "reference_image": "references", "video": "video"}


def _names(field: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    """Gateways send anything in `metadata` too, flat or as the vendor nests it; what stands at the top counts first."""
    own = (*_OWN_NAMES.get(field, ()), *usual)
    inner = [
        f"{place}.{name}" for place in ("metadata", "metadata.parameters", "metadata.input") for name in own
    ]
    return (*own, *inner, f"metadata.input.media:{field}", f"size:{field}")


_NAMES: Mapping[str, tuple[str, ...]] = {field: _names(field, usual) for field, usual in NAMES.items()}


def to_request(body: Mapping[str, object]) -> Translation:
    """Our request from theirs. Raises: InvalidRequest naming their field."""
    model = body.get("model") or DEFAULT_MODEL
    try:
        mode = mode_of_model(model) or _asked_mode(body)
    except NotFound as err:
        text = f"model must be a Happy Horse model; got '{str(model)[:60]}'"
        raise InvalidRequest(text, field="model") from err
    return translate(_flat(body), model=str(model), mode=mode, names=_NAMES)


def _flat(body: Mapping[str, object]) -> dict[str, object]:
    """The body with what `metadata` and `size` say beside it, and with a video as such, whatever field it came in."""
    flat = {**_of_metadata(body.get("metadata")), **body}
    if body.get("size") not in (None, "", "auto"):
        flat |= {f"size:{field}": value for field, value in read_size(body["size"]).items()}
    if _is_video(flat.get("input_reference")):
        flat["video"] = flat.pop("input_reference")
    for name in ("video", "input_reference"):
        flat[name] = _own_video(flat.get(name))
    return flat


def _of_metadata(metadata: object) -> dict[str, object]:
    if not isinstance(metadata, dict):
        return {}
    found = {f"metadata.{name}": value for name, value in metadata.items()}
    for group in ("parameters", "input"):
        inner = metadata.get(group)
        if isinstance(inner, dict):
            found |= {f"metadata.{group}.{name}": value for name, value in inner.items()}
    return {**found, **_listed_media(found.get("metadata.input.media"))}


def _listed_media(media: object) -> dict[str, object]:
    """Inputs in the vendor's own shape, each list under the field of ours."""
    found: dict[str, object] = {}
    for number, entry in enumerate(media if isinstance(media, list) else []):
        kind = entry.get("type") if isinstance(entry, dict) else None
        if kind not in _MEDIA_FIELDS:
            name = f"metadata.input.media[{number}]"
            text = f"{name} must have one of the types {', '.join(_MEDIA_FIELDS)} and a url"
            raise InvalidRequest(text, field=name)
        listed = found.setdefault(f"metadata.input.media:{_MEDIA_FIELDS[kind]}", [])
        assert isinstance(listed, list)
        listed.append(entry)
    return found


def _is_video(value: object) -> bool:
    if isinstance(value, dict):
        return value.get("kind") == "video"
    return isinstance(value, str) and value[:11].lower() == "data:video/"


def _own_video(value: object) -> object:
    """`{"id": "video_..."}` or that id alone stands for the clip of another job."""
    name = value.get("id") if isinstance(value, dict) else value
    return {"job_id": job_id(name)} if isinstance(name, str) and name.startswith("video_") else value


def _asked_mode(body: Mapping[str, object]) -> Mode | None:
    mode = body.get("mode")
    return MODES.get(mode.strip().lower()) if isinstance(mode, str) else None


def video_id(job_id: str) -> str:
    return f"video_{job_id.replace('-', '')}"


def job_id(name: str) -> str:
    """The job behind their id, or behind our own. Raises: NotFound."""
    try:
        return str(uuid.UUID(name.removeprefix("video_")))
    except ValueError as err:
        raise NotFound(f"there is no video '{name[:64]}'") from err

"""The models as Replicate shows them: names, versions, and the schema of their inputs. Source: specs/api.md section 4."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from happyhorse.api.compat.reading import ModelNotFound, mode_of_model
from happyhorse.request import MAX_EDIT_REFERENCES, MAX_REFERENCES, MAX_SEED
from happyhorse.shapes import MAX_DURATION_S, MIN_DURATION_S, RATIOS

OWNER = "alibaba"
_CREATED_AT = "2026-04-25T00:00:00Z"
_URI: Mapping[str, object] = {"type": "string", "format": "uri"}
_PROMPT: Mapping[str, object] = {"type": "string", "title": "Prompt"}
_SHARED: Mapping[str, Mapping[str, object]] = {
    "resolution": {"type": "string", "enum": ["720p", "1080p"], "default": "1080p"},
    "seed": {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
}
_CLIP: Mapping[str, Mapping[str, object]] = {
    "prompt": _PROMPT,
    "aspect_ratio": {"type": "string", "enum": list(RATIOS), "default": "16:9"},
    "duration": {"type": "integer", "minimum": MIN_DURATION_S, "maximum": MAX_DURATION_S, "default": 5},
    **_SHARED,
}
# model -> the fields of its input
_INPUTS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "happyhorse-1.0": {**_CLIP, "image": _URI},
    "happyhorse-1.1": {
        **_CLIP,
        "images": {"type": "array", "items": _URI, "maxItems": MAX_REFERENCES, "default": []},
    },
    "happyhorse-1.0-video-edit": {
        "prompt": _PROMPT,
        "video": _URI,
        "reference_images": {"type": "array", "items": _URI, "maxItems": MAX_EDIT_REFERENCES, "default": []},
        "audio_setting": {"type": "string", "enum": ["auto", "origin"], "default": "auto"},
        **_SHARED,
    },
}


def version_id(name: str) -> str:
    return hashlib.sha256(f"{OWNER}/{name}".encode()).hexdigest()


_BY_VERSION = {version_id(name): f"{OWNER}/{name}" for name in _INPUTS}


def model_of_version(version: str) -> str:
    """`owner/name` of `owner/name`, `owner/name:version` or a version's id. Raises: ModelNotFound."""
    if version in _BY_VERSION:
        return _BY_VERSION[version]
    if "/" not in version:
        raise ModelNotFound(f"there is no version '{version[:80]}'", field="version")
    return version.split(":", maxsplit=1)[0]


def shown_model(owner: str, name: str, base_url: str) -> dict[str, object]:
    """A model as they show it, with its one version. Raises: ModelNotFound."""
    mode_of_model(f"{owner}/{name}")
    return {
        "url": f"{base_url}/v1/models/{owner}/{name}",
        "owner": owner,
        "name": name,
        "description": "Picture and sound of a clip, made together.",
        "visibility": "public",
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": shown_version(name),
    }


def shown_models(base_url: str) -> list[dict[str, object]]:
    return [shown_model(OWNER, name, base_url) for name in _INPUTS]


def shown_version(name: str) -> dict[str, object]:
    """The only version of a model; its schema says what an input may hold."""
    fields = _INPUTS.get(name, _CLIP)
    schemas = {
        "Input": {"type": "object", "title": "Input", "properties": fields},
        "Output": {**_URI, "title": "Output"},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": name, "version": "1"},
        "paths": {},
        "components": {"schemas": schemas},
    }
    return {
        "id": version_id(name),
        "created_at": _CREATED_AT,
        "cog_version": "0.16.0",
        "openapi_schema": document,
    }

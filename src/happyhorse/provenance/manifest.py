"""What a clip's C2PA manifest says: which engine made it from what, as data for the signing process.

A clip from a prompt, a first frame or references was created, with its inputs named; an edit opened its video and changed it.
The prompt stands in the file's tags; here is only its SHA-256, so that a tag that was changed is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from happyhorse.engines.plan import Plan
from happyhorse.shapes import MediaInfo

GENERATION = "happyhorse.generation"
"""The label of our own assertion."""
ACTIONS = "c2pa.actions.v2"
SELF_MADE = "happyhorse, self-made certificate"
"""The name in a certificate that nobody but its owner vouches for."""
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_DRAWN_BY_RULES = frozenset({"testcard"})
_MIME = {
    "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "mp4": "video/mp4", "mov": "video/quicktime",
    "wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4", "flac": "audio/flac",
}  # fmt: skip
"""Of the formats that are read here, those that can carry a manifest."""


@dataclass(frozen=True)
class Ingredient:
    """An input of a clip, by its place in the request."""

    name: str
    relationship: str
    info: MediaInfo

    @property
    def mime(self) -> str | None:
        """None for a format that cannot carry a manifest."""
        return _MIME.get(self.info.format)


def prompt_hash(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()


def ingredients(plan: Plan) -> tuple[Ingredient, ...]:
    """All inputs of a clip; the video of an edit is its parent."""
    given = [
        ("first frame", "inputTo", plan.image),
        ("video", "parentOf", plan.video),
        ("voice", "inputTo", plan.voice),
        *((f"reference {i}", "inputTo", info) for i, info in enumerate(plan.references, start=1)),
    ]
    return tuple(Ingredient(name, relationship, info) for name, relationship, info in given if info)


def definition(
    plan: Plan, weights_hash: str, inputs: Sequence[Ingredient], title: str
) -> Mapping[str, object]:
    """The manifest of a clip, in the terms of c2pa's Builder; `inputs` are those that it can name."""
    return {
        "claim_generator_info": [{"name": "happyhorse", "version": version("happyhorse")}],
        "title": title,
        "format": "video/mp4",
        "assertions": [
            {"label": ACTIONS, "data": {"actions": _actions(plan, inputs)}},
            {"label": GENERATION, "data": _generation(plan, weights_hash)},
        ],
    }


def _actions(plan: Plan, inputs: Sequence[Ingredient]) -> Sequence[Mapping[str, object]]:
    parents = [given.name for given in inputs if given.relationship == "parentOf"]
    others = [given.name for given in inputs if given.relationship != "parentOf"]
    kind = "algorithmicMedia" if plan.engine in _DRAWN_BY_RULES else "trainedAlgorithmicMedia"
    made: dict[str, object] = {
        "action": "c2pa.edited" if parents else "c2pa.created",
        "digitalSourceType": _SOURCE_TYPES + kind,
        "softwareAgent": {"name": f"happyhorse {plan.engine}", "version": plan.weights_id},
    }
    if others:
        made["parameters"] = {"ingredientIds": others}
    if not parents:
        return (made,)
    return ({"action": "c2pa.opened", "parameters": {"ingredientIds": parents}}, made)


def _generation(plan: Plan, weights_hash: str) -> Mapping[str, object]:
    facts: dict[str, object] = {
        "engine": plan.engine,
        "weights_id": plan.weights_id,
        "weights_hash": weights_hash,
        "mode": plan.mode,
        "seed": plan.seed,
        "plan_digest": plan.digest(),
        "prompt_sha256": prompt_hash(plan.prompt),
        "inputs": [
            {"name": given.name, "sha256": given.info.sha256, "format": given.info.format}
            for given in ingredients(plan)
        ],
    }
    return facts if plan.parent is None else {**facts, "parent": plan.parent}

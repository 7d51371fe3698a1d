"""happyhorse: one network that makes a clip's picture and sound together.

The public names below are imported when they are first used, so that `import happyhorse` costs nothing and never imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from happyhorse.engines.plan import Plan, plan
    from happyhorse.errors import HappyHorseError
    from happyhorse.prompt.read import Prompt, read_prompt
    from happyhorse.request import GenerationRequest, MediaRef, Output, parse_request

__all__ = [
    "GenerationRequest",
    "HappyHorseError",
    "MediaRef",
    "Output",
    "Plan",
    "Prompt",
    "parse_request",
    "plan",
    "read_prompt",
]

_HOMES = {
    "GenerationRequest": "happyhorse.request",
    "HappyHorseError": "happyhorse.errors",
    "MediaRef": "happyhorse.request",
    "Output": "happyhorse.request",
    "Plan": "happyhorse.engines.plan",
    "Prompt": "happyhorse.prompt.read",
    "parse_request": "happyhorse.request",
    "plan": "happyhorse.engines.plan",
    "read_prompt": "happyhorse.prompt.read",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  reading the metadata takes longer than importing us

        return version("happyhorse")
    if name not in _HOMES:
        raise AttributeError(f"module 'happyhorse' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

"""A take: the clean latents of one denoising run. It is small, so a clip can be drawn from it again, after a kill or at another size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.numpy import load, save

from happyhorse.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from happyhorse.shapes import LatentShape

_FORMAT = "happyhorse-take-1"


@dataclass(frozen=True)
class Take:
    """Latents by name, with whose they are. `weights_hash` names the weights that can draw them; `notes` are the keeper's."""

    engine: str
    weights_hash: str
    latents: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def check(self, *, engine: str, weights_hash: str) -> None:
        """Raises: EngineError when the take is another engine's, or other weights made it."""
        if self.engine != engine:
            raise EngineError(f"the take was made by engine '{self.engine}'; '{engine}' cannot draw it")
        if self.weights_hash != weights_hash:
            mine, theirs = weights_hash[:12], self.weights_hash[:12]
            raise EngineError(f"the take was made by weights {theirs}; the weights here are {mine}")

    def check_grid(self, grid: LatentShape) -> None:
        """Raises: EngineError when the picture's latents are not of this size."""
        found, wanted = self.latents["video"].shape[2:], astuple(grid)
        if found != wanted:
            raise EngineError(
                f"the take has latents of {found}; the plan needs {wanted} (frames, height, width)"
            )

    def to_bytes(self) -> bytes:
        """Return a safetensors file; equal takes give equal bytes, so all of its text stands under one key."""
        about = {"engine": self.engine, "weights_hash": self.weights_hash, "notes": dict(self.notes)}
        return save(dict(self.latents), {_FORMAT: json.dumps(about, sort_keys=True)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Take:
        """Read what `to_bytes` wrote. Raises: EngineError if it is cut short or something else."""
        try:
            latents = load(data)
            about = json.loads(_metadata(data)[_FORMAT])
            return cls(about["engine"], about["weights_hash"], latents, about["notes"])
        except (SafetensorError, ValueError, KeyError) as err:
            raise EngineError(f"the take cannot be read ({err or type(err).__name__})") from err


def _metadata(data: bytes) -> dict[str, str]:
    """The header's own part: safetensors reads it from files only, not from bytes."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return metadata

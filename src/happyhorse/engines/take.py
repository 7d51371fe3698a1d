"""A take: the clean latents of one denoising run. It is small, so a clip can be drawn from it again, after a kill or at another size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.numpy import load, save

from happyhorse.errors import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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

    def to_bytes(self) -> bytes:
        """Return a safetensors file."""
        notes = {f"note.{name}": text for name, text in self.notes.items()}
        metadata = {"format": _FORMAT, "engine": self.engine, "weights_hash": self.weights_hash, **notes}
        return save(dict(self.latents), metadata)

    @classmethod
    def from_bytes(cls, data: bytes) -> Take:
        """Read what `to_bytes` wrote. Raises: EngineError if it is cut short or something else."""
        try:
            latents, metadata = load(data), _metadata(data)
        except (SafetensorError, ValueError, KeyError) as err:
            raise EngineError(f"the take cannot be read ({err})") from err
        if metadata.get("format") != _FORMAT:
            raise EngineError(f"the take is of format {metadata.get('format')!r}; {_FORMAT} is needed")
        notes = {key.removeprefix("note."): text for key, text in metadata.items() if key.startswith("note.")}
        return cls(metadata["engine"], metadata["weights_hash"], latents, notes)


def _metadata(data: bytes) -> dict[str, str]:
    """The header's own part: safetensors reads it from files only, not from bytes."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return metadata

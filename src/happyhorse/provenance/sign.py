"""Sign a finished clip: every file that leaves `generate` or a worker goes through here, whatever engine made it.

Signing adds a box to the file and changes no frame and no sample. The signature holds a time, so two clips of one plan differ in
bytes and not in what is seen and heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from happyhorse.engines.plan import Plan
from happyhorse.errors import EngineError
from happyhorse.media.write import placed
from happyhorse.provenance.manifest import Ingredient, definition, ingredients
from happyhorse.provenance.process import Refused, call_helper
from happyhorse.request import Output

if TYPE_CHECKING:
    from happyhorse.provenance.identity import Identity

UNSIGNED = "the file has no C2PA manifest: the library c2pa-python is not installed"


@dataclass(frozen=True)
class Signer:
    """Signs clips with one identity; without one (no C2PA library) it says so in the clip's notes."""

    identity: Identity | None

    def sign(self, clip: Output, plan: Plan) -> Output:
        """Give the file of a clip its manifest, in place, and describe it anew. Raises: EngineError, MediaError."""
        if self.identity is None:
            return replace(clip, notes=(*clip.notes, UNSIGNED))
        path = Path(clip.path)
        readable = [given for given in ingredients(plan) if given.mime]
        with placed(path) as target:
            try:
                call_helper(self._call(clip, plan, readable, target))
            except Refused:  # an input that the library does not take: its hash is still in the manifest
                self._sign_alone(clip, plan, target)
        return replace(clip, size_bytes=path.stat().st_size)

    def _sign_alone(self, clip: Output, plan: Plan, target: Path) -> None:
        try:
            call_helper(self._call(clip, plan, (), target))
        except Refused as err:
            raise EngineError(f"the clip could not be signed: {err}") from err

    def _call(
        self, clip: Output, plan: Plan, inputs: Sequence[Ingredient], target: Path
    ) -> Mapping[str, object]:
        assert self.identity is not None
        return {
            "op": "sign",
            "source": clip.path,
            "target": str(target),
            "manifest": definition(plan, clip.weights_hash, inputs, Path(clip.path).name),
            "inputs": [
                {"name": i.name, "relationship": i.relationship, "path": i.info.path, "mime": i.mime}
                for i in inputs
            ],
            **asdict(self.identity),
        }

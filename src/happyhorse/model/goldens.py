"""One golden file and the comparison of our numbers with it. What is run on it: goldens_network.py, goldens_codecs.py.

A golden file holds the inputs and outputs of one run of a published-architecture network with random weights; its JSON
`config` says everything else. Nothing is assumed here that the file can say. Format: the README beside the files.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from happyhorse.errors import Unsupported, WeightsMissing
from happyhorse.model.checkpoint import read_metadata


@dataclass(frozen=True)
class Limit:
    """Largest allowed absolute errors, for outputs with a standard deviation about 1; wider outputs scale them."""

    maximum: float
    mean: float


EXACT = Limit(0.0, 0.0)


@dataclass(frozen=True)
class Check:
    """One output against its golden. `informative` limits only catch nonsense."""

    case: str
    output: str
    max_error: float
    mean_error: float
    limit: Limit
    informative: bool = False

    @property
    def passed(self) -> bool:
        """Whether both errors are within the limit; not-a-number is not."""
        return self.max_error <= self.limit.maximum and self.mean_error <= self.limit.mean


@dataclass(frozen=True)
class Problem:
    """Why a case could not be run. Counts as a failure."""

    case: str
    reason: str


def weights_of(settings: Mapping[str, object]) -> str:
    """The stem of the file that a config names as its weights; empty when it names none."""
    return Path(str(settings.get("weights", ""))).name.removesuffix(".safetensors")


@dataclass(frozen=True)
class Case:
    """One golden file. Remembers which tensors were read, to name those that were not."""

    name: str
    folder: Path
    settings: Mapping[str, object]
    tensors: Mapping[str, Tensor]
    used: set[str]

    @classmethod
    def read(cls, path: Path) -> "Case":
        """Raises: WeightsMissing if the file is damaged or does not describe itself."""
        try:
            settings = json.loads(read_metadata(path)["config"])
        except (KeyError, ValueError) as err:
            raise WeightsMissing(f"{path.name} has no JSON under the metadata key 'config'") from err
        if not isinstance(settings, dict):
            raise WeightsMissing(f"the config of {path.name} is not a JSON object")
        return cls(path.stem, path.parent, settings, load_file(path), set())

    @property
    def weights(self) -> str:
        """The stem of the weight file beside this one."""
        return weights_of(self.settings)

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise Unsupported(f"the file lacks the tensor {name}")
        self.used.add(name)
        if not bool(self.tensors[name].isfinite().all()):
            raise Unsupported(f"{name} contains values that are not finite")
        return self.tensors[name]

    def optional(self, name: str) -> Tensor | None:
        return self[name] if name in self.tensors else None

    def text(self, prefix: str = "") -> Float[Tensor, "b n c"]:
        """Return the valid rows of the prompt features; what follows them must be zero."""
        rows, count = self[f"{prefix}text_feat"], int(self[f"{prefix}text_len"])
        if not 0 <= count <= rows.shape[1] or bool((rows[:, count:] != 0).any()):
            raise Unsupported(f"{prefix}text_feat has values outside its {count} valid rows")
        return rows[:, :count]

    def compare(
        self, output: str, ours: Tensor, limit: Limit, *, informative: bool = False
    ) -> Iterator[Check]:
        """Yield the comparison with one recorded tensor, or nothing where the file does not have it."""
        if output not in self:
            return
        golden = self[output]
        if golden.shape != ours.shape:
            raise Unsupported(f"{output} has the shape {tuple(golden.shape)}; ours has {tuple(ours.shape)}")
        golden = golden.double()
        error = (ours.double() - golden).abs()
        width = max(1.0, float(golden.std())) if golden.numel() > 1 else 1.0
        scaled = Limit(limit.maximum * width, limit.mean * width)
        yield Check(self.name, output, float(error.max()), float(error.mean()), scaled, informative)

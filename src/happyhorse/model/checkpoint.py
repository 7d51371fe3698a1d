"""Weights on disk. One safetensors file carries its ModelConfig, sampler settings and notes: loading needs a path only.

The published 15 B weights carry nothing and come in shards: layouts.py. Stored forms of our own files: as they are,
"bf16", or "int8": rows of matrices, and kernels of convolutions, as int8 with one bf16 scale each, half the size again; both
are restored to float32.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import BFloat16, Float, Int8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from happyhorse.errors import EngineError, WeightsMissing
from happyhorse.model.config import ModelConfig
from happyhorse.model.sampler import Guidance, SamplerSettings
from happyhorse.model.transformer import Transformer

FORMAT = "happyhorse-1"
SCALE_SUFFIX = ".scale"
MIN_INT8_VALUES = 4096  # below this a matrix saves nothing worth its rounding

Storage = Literal["as_is", "bf16", "int8"]
_INTEGERS = {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8}


@dataclass(frozen=True)
class Checkpoint:
    """A transformer with all that is needed to run it. `notes` hold hashes of codecs, training steps and the like."""

    model: Transformer
    sampler: SamplerSettings
    notes: Mapping[str, str] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, storage: Storage = "bf16") -> None:
    """Write a file that load_checkpoint can read. An older file stays whole until the new one is complete."""
    metadata = {
        "format": FORMAT,
        "config": json.dumps(checkpoint.model.config.to_dict()),
        "sampler": json.dumps(asdict(checkpoint.sampler)),
        "notes": json.dumps(dict(checkpoint.notes)),
    }
    save_tensors(checkpoint.model.state_dict(), path, metadata=metadata, storage=storage)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a file of save_checkpoint; the model is float32, on the CPU, in eval mode.

    Raises: WeightsMissing if the file is missing, cut short, of another format, or does not fit its own config.
    """
    with description(path, FORMAT, noun="checkpoint") as metadata:
        config = ModelConfig.from_dict(json.loads(metadata["config"]))
        settings = json.loads(metadata["sampler"])
        guidance = settings.pop("guidance")
        sampler = SamplerSettings(**settings, guidance=Guidance(**guidance) if guidance else None)
        notes = json.loads(metadata["notes"])
    model = _empty(config)
    fill(model, load_tensors(path), origin=str(path))
    return Checkpoint(model.eval(), sampler, notes)


def fill(model: nn.Module, tensors: Mapping[str, Tensor], *, origin: str) -> None:
    """Give a module its tensors; dtypes follow the tensors. Values are judged where there are any: not on the meta device.

    Raises: WeightsMissing unless names and shapes match exactly, floats are floats, and values are finite.
    """
    wanted = model.state_dict()
    absent, unknown = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if absent:
        raise WeightsMissing(f"{origin} lacks {len(absent)} of {len(wanted)} tensors, first {absent[0]}")
    if unknown:
        raise WeightsMissing(
            f"{origin} holds {len(unknown)} tensors this model does not have, first {unknown[0]}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            seen, allowed = tuple(tensor.shape), tuple(wanted[name].shape)
            raise WeightsMissing(f"{origin}: {name} has the shape {seen}; this model needs {allowed}")
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            dtypes = f"is stored as {tensor.dtype}; this model needs {wanted[name].dtype}"
            raise WeightsMissing(f"{origin}: {name} {dtypes.replace('torch.', '')}")
        if not (tensor.is_meta or bool(tensor.isfinite().all())):
            raise WeightsMissing(f"{origin}: {name} contains values that are not finite")
    model.load_state_dict(dict(tensors), strict=True, assign=True)


def save_tensors(
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    metadata: Mapping[str, str],
    storage: Storage = "as_is",
    prefix: str = "",
) -> None:
    """Write tensors to `path` by way of a temporary file beside it, so that a crash leaves the old file whole.

    `storage` concerns the matrices and kernels whose names begin with `prefix`; all else is stored as it is.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kept = tensor.detach().to("cpu")
        matrix = kept.ndim >= 2 and name.startswith(prefix)
        if storage == "int8" and matrix and kept.numel() >= MIN_INT8_VALUES:
            stored[name], stored[name + SCALE_SUFFIX] = quantize_rows(kept.float())
        else:
            rounded = storage != "as_is" and matrix and kept.is_floating_point()
            stored[name] = (kept.to(torch.bfloat16) if rounded else kept).contiguous()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(stored, temporary, metadata=dict(metadata))
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def only_file(folder: Path) -> Path:
    """Return the one safetensors file of a folder. Raises: WeightsMissing."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise WeightsMissing(f"{folder} has {len(files)} safetensors files; one is needed")
    return files[0]


def describe_tensors(path: Path) -> dict[str, Tensor]:
    """Return a file's tensors on the meta device, floats in float32, as its header describes them. Raises: WeightsMissing."""
    read_metadata(path)
    with safe_open(path, framework="np") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - safe_open is no mapping
        return {
            name: torch.empty(each.get_shape(), dtype=_INTEGERS.get(each.get_dtype()), device="meta")
            for name, each in slices.items()
        }


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file of ours, floats as float32, int8 rows restored. Raises: WeightsMissing."""
    read = dict(_read(path))
    scales = {name: read.pop(name) for name in list(read) if name.endswith(SCALE_SUFFIX)}
    restored: dict[str, Tensor] = {}
    for name, tensor in read.items():
        if tensor.dtype == torch.int8:
            if name + SCALE_SUFFIX not in scales:
                raise WeightsMissing(f"{path}: {name} is stored as int8 but its scales are missing")
            restored[name] = dequantize_rows(tensor, scales[name + SCALE_SUFFIX])
        else:
            restored[name] = tensor.float() if tensor.is_floating_point() else tensor
    return restored


def read_metadata(path: Path) -> dict[str, str]:
    """Return what a file says of itself without reading its tensors. Raises: WeightsMissing."""
    try:
        with safe_open(path, framework="np") as opened:  # for torch it would map the values as well
            return opened.metadata() or {}
    except FileNotFoundError as err:
        raise WeightsMissing(f"there are no weights at {path}") from err
    except (SafetensorError, OSError) as err:
        raise WeightsMissing(f"{path} is not a complete safetensors file: {err}") from err


@contextmanager
def mapped(path: Path, *, device: str | torch.device = "cpu") -> Iterator[safe_open]:
    """Map a file, whose header is known to be whole, into memory. Raises: EngineError where the system refuses so much."""
    try:
        file = safe_open(path, framework="pt", device=str(device))
    except RuntimeError as err:
        raise EngineError(
            f"{path} cannot be mapped into memory: {err}; Linux wants memory and swap to be larger than the file, "
            "unless vm.overcommit_memory is 1"
        ) from err
    with file as opened:
        yield opened


@contextmanager
def description(path: Path, expected: str, *, noun: str = "file") -> Iterator[dict[str, str]]:
    """Give the metadata of a file of the expected format to the block that reads it.

    Raises: WeightsMissing if the file is missing, cut short or of another format, or if the block cannot read the metadata.
    """
    metadata = read_metadata(path)
    if metadata.get("format") != expected:
        raise WeightsMissing(f"{path} is not a {expected} {noun}; its format is {metadata.get('format')!r}")
    try:
        yield metadata
    except (KeyError, TypeError, ValueError) as err:
        raise WeightsMissing(f"the description inside {path} cannot be read: {err}") from err


def weights_hash(path: Path) -> str:
    """Return the SHA-256 of a file, which names its weights in clips and in checkpoints that depend on them."""
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as err:
        raise WeightsMissing(f"there are no weights at {path}") from err


def quantize_rows(
    matrix: Float[Tensor, "rows ..."],
) -> tuple[Int8[Tensor, "rows ..."], BFloat16[Tensor, " rows"]]:
    """Round a matrix to 255 levels per row. The scale is rounded first, so that the levels fit what is stored."""
    rows = matrix.flatten(1)
    scales = (rows.abs().amax(dim=1) / 127).to(torch.bfloat16)
    divisor = scales.float().clamp(min=torch.finfo(torch.float32).tiny)
    return (rows / divisor[:, None]).round().clamp(-127, 127).to(torch.int8).view_as(matrix), scales


def dequantize_rows(
    levels: Int8[Tensor, "rows ..."], scales: BFloat16[Tensor, " rows"]
) -> Float[Tensor, "rows ..."]:
    """Undo quantize_rows, up to half a level."""
    return levels.float() * scales.float().view(-1, *[1] * (levels.ndim - 1))


def _empty(config: ModelConfig) -> Transformer:
    with torch.device("meta"):
        return Transformer(config)


def _read(path: Path) -> Iterator[tuple[str, Tensor]]:
    read_metadata(path)
    with mapped(path) as opened:
        for name in opened.keys():  # noqa: SIM118 - safe_open is no mapping
            yield name, opened.get_tensor(name)

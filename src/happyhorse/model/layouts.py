"""Published 15 B networks on disk, in every layout they are published in, and how one becomes a Transformer.

    original    DIR/model-0000k-of-0000n.safetensors and an index, or one file; `base` in bf16 and float32, the others float32
    diffusers   FastVideo's: DIR/transformer (super-resolution: DIR/sr_transformer) with config.json and its own shard names
    fp8         the original's names; matrices in E4M3, each with a scale beside it

Keys are the same in all three. Headers are read and judged first: every name, shape and dtype must be right before one
value is read. Files are mapped into memory and each tensor goes to the device by itself, so the peak is the model and
one tensor. Source: specs/model.md 1.2, 7.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from torch import Tensor

from happyhorse.errors import WeightsMissing
from happyhorse.model.checkpoint import mapped, read_metadata
from happyhorse.model.config import ModelConfig
from happyhorse.model.fp8 import FP8, Fp8Linear, has_nan, put, quantize, quantize_blocks
from happyhorse.model.published_config import read_config
from happyhorse.model.rope import RotaryBands
from happyhorse.model.transformer import GroupedLinear, Transformer, cast_block_linears

Layout = Literal["original", "diffusers", "fp8"]
_SUBFOLDERS = ("transformer", "sr_transformer")
_NUMBERED = re.compile(r"(?P<stem>.*)-(?P<k>\d{5})-of-(?P<n>\d{5})\.safetensors")
_BANDS, _BAND_ERROR = "adapter.rope.bands", 0.01
_MARKERS = ("scaled_fp8",)
"""Tensors that say how others are stored, in some repackagings; names and dtypes say it too."""
_SCALE_SUFFIXES = (".weight.__fp8_scale", ".weight_scale", ".scale_weight", ".weight_scale_inv")
"""What follows a layer's name in that of the scale that its stored values are multiplied by. The last is DeepSeek's: the inverse
of what they were multiplied by before. A plain `scale` is not among them: some libraries divide by it."""
PLAIN_DTYPES = ("F32", "BF16", "F16")


@dataclass(frozen=True)
class Entry:
    """One tensor as a header describes it."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Shards:
    """Everything a folder says of a network before a value is read."""

    path: Path
    layout: Layout
    entries: Mapping[str, Entry]
    config: ModelConfig | None
    """What the folder says of the network's sizes; the original layout says nothing."""

    def loaded_bytes(self, *, fp8: bool) -> int:
        """What `load_network` makes of the tensors: matrices stored as FP8 stay so, and with `fp8` the others become so."""
        return sum(_loaded_bytes(name, entry, fp8=fp8) for name, entry in self.entries.items())


def read_shards(path: Path) -> Shards:
    """Read the headers of a network: one .safetensors file, or a folder in any layout.

    Raises: WeightsMissing for a shard that is missing, renamed, cut short or without what its index promises.
    """
    inner = [path / name for name in _SUBFOLDERS if (path / name).is_dir()]
    folder = inner[-1] if inner else path
    entries = read_headers(folder)
    entries = {name: entry for name, entry in entries.items() if name not in _MARKERS}
    config = read_config(folder / "config.json")
    is_fp8 = any(entry.dtype == "F8_E4M3" for entry in entries.values())
    layout: Layout = "fp8" if is_fp8 else "diffusers" if config is not None else "original"
    return Shards(path, layout, entries, config)


def judged_shards(path: Path, config: ModelConfig) -> Shards:
    """Read the headers as `read_shards` does and hold every name, shape and dtype against `config`. Raises: WeightsMissing."""
    shards = read_shards(path)
    empty_network(shards, config)
    return shards


def load_network(
    path: Path, config: ModelConfig, *, device: str | torch.device = "cpu", fp8: bool = False
) -> Transformer:
    """Load a published network in the published dtypes: block matrices bf16 (or FP8 as stored), all else float32.

    With `fp8` block matrices that are stored wider are rounded to FP8, each by itself. Raises: as `open_network`.
    """
    model, tensors = open_network(path, config, device=device, fp8=fp8)
    model.load_state_dict(dict(tensors), strict=True, assign=True)
    return model.eval()


def open_network(
    path: Path, config: ModelConfig, *, device: str | torch.device = "cpu", fp8: bool = False
) -> tuple[Transformer, Iterator[tuple[str, Tensor]]]:
    """Return a network on the meta device and, read one by one as they are asked for, the tensors that it takes.

    Raises: WeightsMissing naming the first tensor that is absent, unknown, of another shape or dtype, or not finite.
    """
    shards = read_shards(path)
    model = empty_network(shards, config)
    cast_block_linears(model, torch.bfloat16)
    matrices = {
        f"{name}.weight" for name, module in model.named_modules() if isinstance(module, GroupedLinear)
    }
    if fp8:
        quantize_blocks(model)
    stored = _with_bands(read_tensors(shards.entries, device=device), config, shards.path)
    return model, _as_taken(stored, matrices, fp8=fp8)


def _with_bands(
    stored: Iterator[tuple[str, Tensor]], config: ModelConfig, path: Path
) -> Iterator[tuple[str, Tensor]]:
    """Add the rotary frequencies where a repackaging left them out, since they follow from the sizes; where they are, hold them against those."""
    bands, is_there = RotaryBands(config.head_dim, theta=config.rope_theta).bands, False
    device = torch.device("cpu")
    for name, tensor in stored:
        device = tensor.device
        if name == _BANDS:
            is_there = True
            if not torch.allclose(tensor.cpu().float(), bands, rtol=_BAND_ERROR, atol=0.0):
                raise WeightsMissing(f"{path}: {_BANDS} are not the rotary frequencies of this model")
        yield name, tensor
    if not is_there:
        yield _BANDS, bands.to(device)


def _as_taken(
    stored: Iterator[tuple[str, Tensor]], matrices: Set[str], *, fp8: bool
) -> Iterator[tuple[str, Tensor]]:
    """Give stored tensors the names and dtypes they have in the network; `matrices` are those not stored as FP8."""
    for name, tensor in stored:
        if is_scale(name):
            yield scale_of(name), tensor.float().reshape(-1)
        elif name not in matrices:
            yield name, tensor if tensor.dtype == FP8 else tensor.float()
        elif fp8:
            yield from zip((name, name.removesuffix("weight") + "scale"), quantize(tensor), strict=True)
        else:
            yield name, tensor.to(torch.bfloat16)


def empty_network(shards: Shards, config: ModelConfig) -> Transformer:
    """Return the network on the meta device, with FP8 layers where the shards have them, after judging every header.

    Raises: WeightsMissing unless names, shapes and dtypes are exactly those of `config`.
    """
    _check_config(shards, config)
    with torch.device("meta"):
        model = Transformer(config)
    for name, module in list(model.named_modules()):
        stored = shards.entries.get(f"{name}.weight", _NONE)
        if isinstance(module, GroupedLinear) and stored.dtype == "F8_E4M3":
            scale = _scale_entry(shards, name, rows=module.weight.shape[0])
            weight = torch.empty_like(module.weight, dtype=FP8)
            empty = torch.empty(math.prod(scale.shape), device="meta")
            put(model, name, Fp8Linear(weight, empty, groups=module.groups))
    wanted = model.state_dict()
    found = {scale_of(name): name for name in shards.entries}
    _check_names(shards, found, wanted.keys() - ({_BANDS} - found.keys()))
    for name, entry in shards.entries.items():
        tensor = wanted[scale_of(name)]
        if not is_scale(name) and entry.shape != tensor.shape:
            raise WeightsMissing(
                f"{entry.file}: {name} has the shape {entry.shape}; this model needs {tuple(tensor.shape)}"
            )
        if entry.dtype not in PLAIN_DTYPES and tensor.dtype != FP8:
            raise WeightsMissing(
                f"{entry.file}: {name} is stored as {entry.dtype}; {', '.join(PLAIN_DTYPES)} and, for block "
                "matrices, F8_E4M3 can be read"
            )
    return model


def read_tensors(
    entries: Mapping[str, Entry], *, device: str | torch.device = "cpu"
) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor as stored, file by file. Raises: WeightsMissing for values that are not finite."""
    for file in sorted({entry.file for entry in entries.values()}):
        with mapped(file, device=device) as opened:
            for name in (name for name, entry in entries.items() if entry.file == file):
                tensor = opened.get_tensor(name)
                if has_nan(tensor) if tensor.dtype == FP8 else not bool(tensor.isfinite().all()):
                    raise WeightsMissing(f"{file}: {name} contains values that are not finite")
                yield name, tensor


_NONE = Entry(Path(), (), "")


def is_scale(name: str) -> bool:
    """Whether a stored tensor is the scale of an FP8 matrix, by its name."""
    return name.endswith(_SCALE_SUFFIXES)


def scale_of(name: str) -> str:
    """The name in our FP8 layer of a stored scale; other names stay."""
    for suffix in _SCALE_SUFFIXES:
        if name.endswith(suffix):
            return f"{name.removesuffix(suffix)}.scale"
    return name


def _scale_entry(shards: Shards, layer: str, *, rows: int) -> Entry:
    """The scale of an FP8 matrix. Raises: WeightsMissing unless there is one, and it is one number or one a row."""
    beside = [name for name in shards.entries if name.startswith(f"{layer}.") and name != f"{layer}.weight"]
    names = ", ".join(f"*{suffix}" for suffix in _SCALE_SUFFIXES)
    if not beside:
        raise WeightsMissing(
            f"{shards.path}: {layer}.weight is stored as FP8 but its scale is missing; known names are {names}"
        )
    if len(beside) > 1 or not is_scale(beside[0]):
        raise WeightsMissing(
            f"{shards.path}: {layer}.weight is stored as FP8 with {', '.join(sorted(beside))}, of which it is not known "
            f"how the matrix is scaled; it must have one scale that multiplies, named {names}"
        )
    found = shards.entries[beside[0]]
    if math.prod(found.shape) != 1 and found.shape not in ((rows,), (rows, 1)):
        raise WeightsMissing(
            f"{found.file}: the scale of {layer}.weight has the shape {found.shape}; it must be one number or {rows}"
        )
    return found


def _loaded_bytes(name: str, entry: Entry, *, fp8: bool) -> int:
    count = math.prod(entry.shape)
    if entry.dtype == "F8_E4M3":
        return count
    is_matrix = name.startswith("block.") and len(entry.shape) == 2 and not is_scale(name)
    if not is_matrix:
        return 4 * count
    return count + 4 * entry.shape[0] if fp8 else 2 * count


def _check_config(shards: Shards, config: ModelConfig) -> None:
    if shards.config is None:
        return
    # Windows and coordinates belong to the stage, not to the file.
    stated = replace(
        shards.config,
        windowed_layers=config.windowed_layers,
        frame_receptive_field=config.frame_receptive_field,
        coords_style=config.coords_style,
    )
    ours, theirs = config.to_dict(), stated.to_dict()
    for name, value in ours.items():
        if theirs[name] != value:
            raise WeightsMissing(
                f"{shards.path}: its config.json says {name} {theirs[name]}; this model needs {value}"
            )


def _check_names(shards: Shards, found: Mapping[str, str], wanted: Set[str]) -> None:
    """`found` gives the stored name of each tensor that the network would take."""
    absent, unknown = sorted(wanted - found.keys()), sorted(found.keys() - wanted)
    if absent:
        raise WeightsMissing(f"{shards.path} lacks {len(absent)} of {len(wanted)} tensors, first {absent[0]}")
    if unknown:
        raise WeightsMissing(
            f"{shards.path} holds {len(unknown)} tensors this model does not have, first {found[unknown[0]]}"
        )


def read_headers(folder: Path) -> Mapping[str, Entry]:
    """Return the tensors of a folder's shards, or of one file, by name. Raises: WeightsMissing for a shard that is not whole."""
    if folder.is_file():
        return _header(folder)
    indexes = sorted(folder.glob("*.safetensors.index.json"))
    if len(indexes) == 1:
        return _indexed(folder, indexes[0])
    files = sorted(folder.glob("*.safetensors"))
    if files and not indexes and (len(files) == 1 or _are_all(files)):
        return {name: entry for file in files for name, entry in _header(file).items()}
    if not folder.is_dir():
        raise WeightsMissing(f"there are no weights at {folder}")
    if any(folder.glob("*.safetensors.zst")):
        raise WeightsMissing(f"{folder} holds compressed shards; unpack them first: zstd -d {folder}/*.zst")
    raise WeightsMissing(
        f"{folder} has {len(files)} safetensors files and {len(indexes)} indexes; one file, or one index, is needed"
    )


def _are_all(files: Sequence[Path]) -> bool:
    """Whether files without an index say by their names that they are 1 to n of n."""
    found = [_NUMBERED.fullmatch(file.name) for file in files]
    numbers = [(match["stem"], int(match["k"]), int(match["n"])) for match in found if match]
    stem, _, count = numbers[0] if numbers else ("", 0, 0)
    return numbers == [(stem, k, count) for k in range(1, len(files) + 1)] and count == len(files)


def _indexed(folder: Path, index: Path) -> dict[str, Entry]:
    try:
        places = {str(name): str(file) for name, file in json.loads(index.read_text())["weight_map"].items()}
    except (ValueError, KeyError, AttributeError, TypeError, OSError) as err:
        raise WeightsMissing(f"{index} is not a shard index: {err!r}") from err
    names = sorted(set(places.values()))
    for name in names:
        if Path(name).name != name:
            raise WeightsMissing(f"{index} names the shard {name!r}, which lies outside its folder")
        if not (folder / name).is_file():
            strangers = sorted({file.name for file in folder.glob("*.safetensors")} - set(names))
            renamed = f"; {strangers[0]} is in no index: was it renamed?" if strangers else ""
            raise WeightsMissing(f"{folder} lacks {name}, which its index names{renamed}")
    entries = {name: entry for file in names for name, entry in _header(folder / file).items()}
    for name, file in places.items():
        if entries.get(name, _NONE).file.name != file:
            raise WeightsMissing(f"{folder / file} lacks {name}, which the index places there")
    return entries


def _header(file: Path) -> dict[str, Entry]:
    read_metadata(file)
    with safe_open(file, framework="np") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - safe_open is no mapping
        return {name: Entry(file, tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}

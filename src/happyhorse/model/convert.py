"""Published weights written anew: a network with smaller values, TurboVAE's pickle as safetensors. Whole or not at all.

A network is copied tensor by tensor into shards of at most 5 GB in the original layout; one stored as FP8 is widened to bf16, or
stays as it is. A pickle is opened in a process
of its own that unpickles tensors and nothing else (`unpickle.py`).
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from happyhorse.errors import WeightsMissing
from happyhorse.model.config import ModelConfig
from happyhorse.model.fp8 import FP8, dequantize, quantize
from happyhorse.model.layouts import empty_network, is_scale, read_shards, read_tensors, scale_of
from happyhorse.model.transformer import GroupedLinear
from happyhorse.model.turbo_vae import FORMAT, TurboVaeConfig

Storage = Literal["published", "fp8"]
MAX_SHARD_BYTES = 5_000_000_000
FP8_SCALE_SUFFIX = ".__fp8_scale"
TURBO_VAE_CHECKPOINT = "checkpoint-340000.ckpt"
TURBO_VAE_FILE = "turbo_vae.safetensors"


def convert_network(
    source: Path,
    target: Path,
    config: ModelConfig,
    *,
    storage: Storage,
    beside: Iterable[tuple[str, str]] = (),
) -> None:
    """Write the network at `source`, in any layout, to the folder `target`: bf16 matrices, or FP8 with scales.

    `beside` gives names and texts of files that come with it, when all else is written.
    Raises: WeightsMissing for what load_network would refuse, and if `target` exists.
    """
    if target.exists():
        raise WeightsMissing(f"{target} exists already; remove it to convert the network anew")
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _write_shards(_converted(source, config, storage), temporary)
        for name, text in beside:
            (temporary / name).write_text(text, encoding="utf-8")
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def convert_turbo_vae(folder: Path, target: Path) -> None:
    """Write the decoder of TurboVAE's published checkpoint, with its config, to a safetensors file.

    Raises: WeightsMissing if the folder lacks a file, or the pickle is damaged, holds more than tensors or another decoder; a file
    that was made before stays.
    """
    configs = sorted(folder.glob("*.json"))
    checkpoint = folder / TURBO_VAE_CHECKPOINT
    if len(configs) != 1:
        raise WeightsMissing(f"{folder} has {len(configs)} JSON files; TurboVAE's config is needed")
    if not checkpoint.is_file():
        raise WeightsMissing(f"there are no weights at {checkpoint}")
    try:
        values = json.loads(configs[0].read_text())
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
        TurboVaeConfig.from_published(values)
    except (ValueError, WeightsMissing) as err:
        raise WeightsMissing(f"{configs[0]} is not TurboVAE's config: {err}") from err
    metadata = json.dumps({"format": FORMAT, "config": json.dumps(values)})
    command = [sys.executable, "-m", "happyhorse.model.unpickle", str(checkpoint), str(target), metadata]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise WeightsMissing(f"{checkpoint} cannot be converted: {said[-1] if said else 'the process died'}")


def made_turbo_vae(root: Path) -> Path:
    """Return the file that `weights convert` makes of TurboVAE's checkpoint. Raises: WeightsMissing while there is none."""
    path = root / TURBO_VAE_FILE
    if not path.is_file():
        raise WeightsMissing(f"{path} is not made yet: happyhorse weights convert magihuman turbo_vae")
    return path


def _converted(source: Path, config: ModelConfig, storage: Storage) -> Iterator[tuple[str, Tensor]]:
    shards = read_shards(source)
    model = empty_network(shards, config)
    matrices = {
        f"{name}.weight" for name, module in model.named_modules() if isinstance(module, GroupedLinear)
    }
    stored_scales = {name: entry for name, entry in shards.entries.items() if is_scale(name)}
    scales = {scale_of(name): tensor.float() for name, tensor in read_tensors(stored_scales)}
    others = {name: entry for name, entry in shards.entries.items() if not is_scale(name)}
    for name, tensor in read_tensors(others):
        if tensor.dtype == FP8:
            scale = scales[name.removesuffix("weight") + "scale"]
            if storage == "fp8":
                yield from ((name, tensor), (name + FP8_SCALE_SUFFIX, scale))
            else:
                yield name, dequantize(tensor, scale)
        elif name not in matrices:
            yield name, tensor.float()
        elif storage == "fp8":
            yield from zip((name, name + FP8_SCALE_SUFFIX), quantize(tensor), strict=True)
        else:
            yield name, tensor.to(torch.bfloat16)


def _write_shards(tensors: Iterator[tuple[str, Tensor]], folder: Path) -> None:
    written: list[tuple[Path, list[str]]] = []
    held: dict[str, Tensor] = {}

    def flush() -> None:
        if held:
            path = folder / f"{len(written)}.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in held.items()}, path)
            written.append((path, list(held)))
            held.clear()

    for name, tensor in tensors:
        if sum(t.nbytes for t in held.values()) + tensor.nbytes > MAX_SHARD_BYTES:
            flush()
        held[name] = tensor
    flush()
    weight_map: dict[str, str] = {}
    for number, (path, names) in enumerate(written, start=1):
        final = path.with_name(f"model-{number:05}-of-{len(written):05}.safetensors")
        path.rename(final)
        weight_map |= dict.fromkeys(names, final.name)
    index = {"weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))

"""What of the 15 B engine lies on disk, judged by its headers: whatever a clip will load is known to load before a pass runs.

What was judged is not read again until one of its files changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from happyhorse.engines.footprint import NetworkBytes
from happyhorse.engines.magihuman import AUDIO_VAE, TEXT_ENCODER, TURBO_VAE, WAN_VAE
from happyhorse.engines.memory import networks_of
from happyhorse.engines.plan import Plan
from happyhorse.errors import WeightsMissing
from happyhorse.hub.origin import check_origin
from happyhorse.hub.parts import Part, find_parts
from happyhorse.hub.store import WeightStore
from happyhorse.model.checkpoint import only_file
from happyhorse.model.config import ModelConfig
from happyhorse.model.convert import made_turbo_vae
from happyhorse.model.extras import installed
from happyhorse.model.layouts import Shards, judged_shards
from happyhorse.model.oobleck import Oobleck
from happyhorse.model.release import NETWORKS
from happyhorse.model.t5gemma import PromptEncoder
from happyhorse.model.turbo_vae import TurboVae
from happyhorse.model.wan_vae import WanVae

_State = tuple[tuple[Path, int, int], ...]
"""Of files: where each is, its size and when it was written."""


def check_present(
    name: str, store: WeightStore, parts: Iterable[Part], *, some_clips: Iterable[Part] = ()
) -> None:
    """Look for the weights that engine `name` needs; those that only `some_clips` need are named together with others.

    Raises: WeightsMissing naming the parts that are not here and how to get them.
    """
    absent = " ".join(part.name for part in parts if not _is_here(store, part))
    more = ", ".join(f"{part.name} ({part.purpose})" for part in some_clips if not _is_here(store, part))
    if absent:
        rest = f"; depending on the clip also {more}" if more else ""
        raise WeightsMissing(
            f"{name} needs weights that are not in {store.root}; get them with: happyhorse weights pull "
            f"magihuman {absent}{rest}"
        )


def judge_clip(store: WeightStore, plan: Plan, *, values: bool = False) -> dict[str, NetworkBytes]:
    """Judge all that a clip needs and that is here; return what its networks take when they are loaded.

    With `values` those of the small codecs that are needed last are read too.
    What is wrong with a conversion is said by `judge_networks`, when it is known that it would be used.
    Raises: WeightsMissing for headers that are not those of a part, or for values.
    """
    for name in (TEXT_ENCODER, *([WAN_VAE] if plan.image else ()), AUDIO_VAE, TURBO_VAE):
        if _is_here(store, part_named(name)):
            judge_part(store, name, values=values and name in (AUDIO_VAE, TURBO_VAE))
    return stored_bytes(store, networks_of(plan).values())


def stored_bytes(store: WeightStore, names: Iterable[str]) -> dict[str, NetworkBytes]:
    """Judge those of some networks that are here; return what each takes when it is loaded. Raises: as `judge_clip`."""
    return {
        name: NetworkBytes(_loaded_bytes(store, name, fp8=False), _loaded_bytes(store, name, fp8=True))
        for name in names
        if _is_here(store, part_named(name))
    }


def judge_networks(store: WeightStore, names: Iterable[str], *, fp8: bool) -> None:
    """Judge those of some networks that are here, as an arrangement with or without `fp8` reads them.

    Raises: WeightsMissing for a damaged conversion, or for one of another download.
    """
    for name in names:
        if _is_here(store, part_named(name)):
            _judge_network(store, name, network_folder(store, name, fp8=fp8))


def judge_part(store: WeightStore, name: str, *, values: bool = False) -> None:
    """Judge the text encoder or a codec by its headers; of a codec the `values` too. Raises: WeightsMissing."""
    path = made_turbo_vae(store.root) if name == TURBO_VAE else store.folder(part_named(name))
    _judge_part(name, path, _state(path), values=values)


def judge_files(part: Part, path: Path) -> None:
    """Judge files that a user has by their headers, as far as this installation can read them. Raises: WeightsMissing."""
    if part.name in NETWORKS:
        _judged_shards(path, _state(path), NETWORKS[part.name].config)
    elif part.name != TURBO_VAE and installed("transformers" if part.name == TEXT_ENCODER else "diffusers"):
        _judge_part(part.name, path, _state(path), values=False)


def network_folder(store: WeightStore, name: str, *, fp8: bool) -> Path:
    """Where a network is read from: a conversion beside it where there is one."""
    converted = store.conversion(part_named(name), "fp8" if fp8 else "bf16")
    return converted if converted.is_dir() else store.folder(part_named(name))


def part_named(name: str) -> Part:
    """Look one up."""
    (part,) = find_parts("magihuman", [name])
    return part


def _is_here(store: WeightStore, part: Part) -> bool:
    return store.status(part).state in ("complete", "linked")


def _loaded_bytes(store: WeightStore, name: str, *, fp8: bool) -> int:
    """What a network takes when it is loaded; a conversion that is of no use counts as if it were not there."""
    own, folder = store.folder(part_named(name)), network_folder(store, name, fp8=fp8)
    try:
        return _judge_network(store, name, folder).loaded_bytes(fp8=fp8)
    except WeightsMissing:
        if folder == own:
            raise
        return _judge_network(store, name, own).loaded_bytes(fp8=fp8)


def _judge_network(store: WeightStore, name: str, folder: Path) -> Shards:
    part = part_named(name)
    if folder != store.folder(part):
        check_origin(store, part, folder)
    return _judged_shards(folder, _state(folder), NETWORKS[name].config)


@lru_cache(maxsize=16)
def _judged_shards(folder: Path, _: _State, config: ModelConfig) -> Shards:
    return judged_shards(folder, config)


@lru_cache(maxsize=16)
def _judge_part(name: str, path: Path, _: _State, *, values: bool) -> None:
    if name == TEXT_ENCODER:
        PromptEncoder.judge(path)
    elif name == WAN_VAE:
        WanVae.load(only_file(path), values=values)
    elif name == AUDIO_VAE:
        Oobleck.load(only_file(path), values=values)
    else:
        TurboVae.load(path, values=values)


def _state(path: Path) -> _State:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)

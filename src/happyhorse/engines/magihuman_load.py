"""Opens the weights of the 15 B engine where `happyhorse weights` put them. Nothing is read before a stage needs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.magihuman import (
    AUDIO_VAE,
    TEXT_ENCODER,
    TURBO_VAE,
    WAN_VAE,
    MagiHumanEngine,
    Release,
    network_of,
)
from happyhorse.engines.magihuman_arrange import Arranger, NetworkLoader
from happyhorse.engines.magihuman_stored import check_present
from happyhorse.engines.memory import ARRANGEMENTS, arrangement
from happyhorse.engines.rewrite import Rewriter
from happyhorse.errors import EngineError
from happyhorse.hub.parts import PARTS, Part
from happyhorse.hub.store import WeightStore
from happyhorse.model.convert import made_turbo_vae
from happyhorse.model.follow import follow, join
from happyhorse.model.parallel import Ranks
from happyhorse.model.release import NETWORKS
from happyhorse.model.speedups import PLAIN, Speedups
from happyhorse.model.transformer import Transformer


def open_engine(
    name: str,
    weights_dir: Path,
    *,
    rewriter: Rewriter | None = None,
    fp8: bool = False,
    speedups: Speedups = PLAIN,
) -> MagiHumanEngine:
    """Return an engine on this machine's GPU; with `fp8` its networks compute in eight bits.

    Raises: WeightsMissing naming the parts that are not here and how to get them; EngineError without a GPU, or for a number of
    processes that cannot share the work.
    """
    capabilities = CATALOG[name]
    base = network_of(capabilities)
    store = WeightStore(weights_dir / "magihuman")
    needed = {base, "540p_sr", "1080p_sr", TEXT_ENCODER, WAN_VAE, AUDIO_VAE, TURBO_VAE}
    parts = {part.name: part for part in PARTS if part.name in needed}
    ranks = join()
    _check_shares(name, ranks)
    always = (base, TURBO_VAE, TEXT_ENCODER, AUDIO_VAE)
    others = [part for part in parts.values() if part.name not in always]
    check_present(name, store, [parts[each] for each in always], some_clips=others)
    made_turbo_vae(store.root)
    arranger = Arranger(store, parts, find_gpu(name), ranks, fp8=fp8, speedups=speedups)
    release = Release(NETWORKS, arranger, partial(_digest, store, parts), arranger.device)
    return MagiHumanEngine(capabilities, release, rewriter=rewriter)


def follow_engine(weights_dir: Path, ranks: Ranks, *, fp8: bool = False, speedups: Speedups = PLAIN) -> None:
    """Run the networks that rank 0 runs, on this process's GPU, until it is over.

    Raises: as `open_engine`, at the first call: a command that runs no network needs no GPU either.
    """
    store = WeightStore(weights_dir / "magihuman")
    loader: NetworkLoader | None = None

    def load(network: str, name: str) -> Transformer:
        nonlocal loader
        if loader is None or loader.arrangement.name != name:
            device = find_gpu("magihuman")
            loader = NetworkLoader(
                store,
                device,
                arrangement(name),
                sharers=ranks.count,
                multiply_fp8=fp8,
                speedups=speedups,
            )
        return loader(network)

    follow(load, ranks, kept={each.name for each in ARRANGEMENTS if each.kept or each.streamed})


def _check_shares(name: str, ranks: Ranks | None) -> None:
    heads = NETWORKS["base"].config.num_heads
    if ranks is not None and heads % ranks.count:
        raise EngineError(
            f"{ranks.count} processes cannot share the {heads} heads of {name}; 2, 4, 5 or 8 can"
        )


def find_gpu(name: str) -> torch.device:
    """Return this machine's GPU. Raises: EngineError where engine `name` has none that it can use."""
    if not torch.cuda.is_available():
        raise EngineError(f"{name} needs an NVIDIA GPU; torch {torch.__version__}: {_why_no_gpu()}")
    device = torch.device("cuda", torch.cuda.current_device())
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        raise EngineError(
            f"{name} needs a GPU of compute capability 8.0 or newer, for bf16; {torch.cuda.get_device_name(device)} "
            f"has {capability[0]}.{capability[1]}"
        )
    return device


def _why_no_gpu() -> str:
    """What torch says of it: that it was built without CUDA, that there is no driver, or one that is too old."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (AssertionError, RuntimeError) as err:
        return str(err).strip().split(". ")[0].splitlines()[0].rstrip(".")
    return "it finds none on this machine"


def _digest(store: WeightStore, parts: Mapping[str, Part], names: Iterable[str]) -> str:
    """Name some parts by what the hub said of them, or by names and sizes of files the user had."""
    facts: dict[str, object] = {}
    for part in (parts[name] for name in names):
        manifest = store.manifest(part)
        found = {path for pattern in part.patterns for path in store.folder(part).rglob(pattern)}
        sizes = [(path.name, path.stat().st_size) for path in sorted(found)]
        facts[part.name] = asdict(manifest) if manifest else sizes
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

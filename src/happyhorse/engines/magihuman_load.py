"""Opens the weights of the 15 B engine where `happyhorse weights` put them. Nothing is read before a stage needs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import nn

from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.magihuman import AUDIO_VAE, TEXT_ENCODER, TURBO_VAE, WAN_VAE, MagiHumanEngine, Release
from happyhorse.engines.memory import MemoryPlan, Strategy, plan_memory
from happyhorse.engines.plan import Plan
from happyhorse.engines.rewrite import Rewriter
from happyhorse.errors import EngineError, OutOfMemory, WeightsMissing
from happyhorse.hub.parts import PARTS, Part
from happyhorse.hub.store import WeightStore
from happyhorse.model.follow import follow, join, lead
from happyhorse.model.fp8 import quantize_blocks
from happyhorse.model.layouts import load_network
from happyhorse.model.oobleck import Oobleck
from happyhorse.model.parallel import Ranks
from happyhorse.model.parts import Loader, Parts
from happyhorse.model.release import NETWORKS
from happyhorse.model.t5gemma import PromptEncoder
from happyhorse.model.transformer import Transformer
from happyhorse.model.turbo_vae import TurboVae
from happyhorse.model.wan_vae import WanVae

TURBO_VAE_FILE = "turbo_vae.safetensors"


def open_engine(name: str, weights_dir: Path, *, rewriter: Rewriter | None = None) -> MagiHumanEngine:
    """Return an engine on this machine's GPU.

    Raises: WeightsMissing naming the parts that are not here and how to get them; EngineError without a GPU, or for a number of
    processes that cannot share the work.
    """
    capabilities = CATALOG[name]
    base = "distill" if capabilities.negative_prompt is None else "base"
    store = WeightStore(weights_dir / "magihuman")
    needed = {base, "540p_sr", "1080p_sr", TEXT_ENCODER, WAN_VAE, AUDIO_VAE, TURBO_VAE}
    parts = {part.name: part for part in PARTS if part.name in needed}
    ranks = join()
    _check_shares(name, ranks)
    _check_present(name, store, [parts[each] for each in (base, TURBO_VAE, TEXT_ENCODER, AUDIO_VAE)])
    if not (store.root / TURBO_VAE_FILE).is_file():
        raise WeightsMissing(
            f"{store.root / TURBO_VAE_FILE} is not made yet: happyhorse weights convert magihuman turbo_vae"
        )
    arranger = Arranger(store, parts, _gpu(name), ranks)
    return MagiHumanEngine(
        capabilities, Release(NETWORKS, arranger, _digest(store, parts), arranger.device), rewriter=rewriter
    )


def follow_engine(weights_dir: Path, ranks: Ranks) -> None:
    """Run the networks that rank 0 runs, on this process's GPU, until it is over. Raises: as `open_engine`."""
    root = WeightStore(weights_dir / "magihuman").root
    follow(lambda name, kept: _network(root, name, _gpu("magihuman"), fp8=kept == "fp8"), ranks)


class Arranger:
    """Chooses a strategy for each clip by what is free on the GPU; parts stay loaded while the strategy stays."""

    def __init__(
        self, store: WeightStore, parts: dict[str, Part], device: torch.device, ranks: Ranks | None = None
    ) -> None:
        self.store, self.parts, self.device, self.ranks = store, parts, device, ranks
        self.strategy: Strategy | None = None
        self.arranged = Parts({})

    def __call__(self, plan: Plan, *, failed: str | None = None) -> Parts:
        """Arrange the parts; when the present arrangement `failed` for lack of memory, in a leaner one.

        Raises: WeightsMissing for parts that only some clips need; OutOfMemory with figures when no strategy fits beside
        what other processes hold, and after a failure that other processes took part in: they are still inside of it.
        """
        needed = [plan.refine.network] if plan.refine else []
        needed += [WAN_VAE] if plan.image else []
        _check_present(plan.engine, self.store, [self.parts[name] for name in needed])
        free_bytes = torch.cuda.mem_get_info(self.device)[0] + torch.cuda.memory_reserved(self.device)
        found = self._choose(plan, free_bytes, failed)
        if found.strategy != self.strategy:
            self.arranged.release()
            kept = frozenset(self.parts) if found.strategy == "resident" else frozenset()
            self.arranged, self.strategy = Parts(self._loaders(found.strategy), kept=kept), found.strategy
        self.arranged.planned = found.figures(free_bytes)
        return self.arranged

    def _choose(self, plan: Plan, free_bytes: int, failed: str | None) -> MemoryPlan:
        if failed is None:
            return plan_memory(plan, free_bytes)
        if self.ranks is not None and self.ranks.is_calling:
            raise OutOfMemory(failed)
        try:
            return plan_memory(plan, free_bytes, leaner_than=self.strategy)
        except OutOfMemory as err:
            raise OutOfMemory(f"{failed}; {err.message}") from err

    def _loaders(self, strategy: Strategy) -> dict[str, Loader]:
        root, device = self.store.root, self.device
        folders = {name: self.store.folder(part) for name, part in self.parts.items()}
        encoder_device = torch.device("cpu") if strategy == "fp8" else device
        found: dict[str, Callable[[], nn.Module]] = {
            TEXT_ENCODER: partial(PromptEncoder.load, folders[TEXT_ENCODER], device=encoder_device),
            WAN_VAE: lambda: WanVae.load(_only(folders[WAN_VAE]), dtype=torch.bfloat16).to(device),
            AUDIO_VAE: lambda: Oobleck.load(_only(folders[AUDIO_VAE])).to(device),
            TURBO_VAE: lambda: TurboVae.load(root / TURBO_VAE_FILE, dtype=torch.bfloat16).to(device),
        }
        for name in self.parts.keys() & NETWORKS.keys():
            found[name] = partial(self._network, name, strategy)
        return found

    def _network(self, name: str, strategy: Strategy) -> Transformer:
        model = _network(self.store.root, name, self.device, fp8=strategy == "fp8")
        return lead(model, self.ranks, network=name, arrangement=strategy) if self.ranks else model


def _check_shares(name: str, ranks: Ranks | None) -> None:
    heads = NETWORKS["base"].config.num_heads
    if ranks is not None and heads % ranks.count:
        raise EngineError(
            f"{ranks.count} processes cannot share the {heads} heads of {name}; 2, 4, 5 or 8 can"
        )


def _check_present(name: str, store: WeightStore, parts: Iterable[Part]) -> None:
    absent = [part for part in parts if store.status(part).state in ("absent", "incomplete")]
    if absent:
        names = " ".join(part.name for part in absent)
        raise WeightsMissing(
            f"engine {name} needs weights that are not in {store.root}; get them with: happyhorse weights pull "
            f"magihuman {names}"
        )


def _gpu(name: str) -> torch.device:
    if not torch.cuda.is_available():
        raise EngineError(
            f"engine {name} needs an NVIDIA GPU; torch {torch.__version__} finds none on this machine"
        )
    device = torch.device("cuda", torch.cuda.current_device())
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        raise EngineError(
            f"engine {name} needs a GPU of compute capability 8.0 or newer, for bf16; {torch.cuda.get_device_name(device)} "
            f"has {capability[0]}.{capability[1]}"
        )
    return device


def _network(root: Path, name: str, device: torch.device, *, fp8: bool) -> Transformer:
    """Load a network, from a conversion beside the download where there is one."""
    config = NETWORKS[name].config
    if not fp8:
        converted = root / f"{name}-bf16"
        return load_network(converted if converted.is_dir() else root / name, config, device=device)
    converted = root / f"{name}-fp8"
    if converted.is_dir():
        return load_network(converted, config, device=device)
    model = load_network(root / name, config)
    quantize_blocks(model)
    return model.to(device)


def _only(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise WeightsMissing(f"{folder} has {len(files)} safetensors files; one is needed")
    return files[0]


def _digest(store: WeightStore, parts: dict[str, Part]) -> str:
    """Name the weights by what the hub said of them, or by names and sizes of files the user had."""
    facts: dict[str, object] = {}
    for name, part in sorted(parts.items()):
        manifest = store.manifest(part)
        files = sorted(path for path in store.folder(part).rglob("*") if path.is_file())
        facts[name] = asdict(manifest) if manifest else [(file.name, file.stat().st_size) for file in files]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

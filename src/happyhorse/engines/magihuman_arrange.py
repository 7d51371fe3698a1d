"""Puts the parts of the 15 B engine where the memory plan of a clip has them, and loads them from where `weights` put them."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from happyhorse.engines.footprint import GB, MLP_ROWS, TEXT_ENCODER_BYTES, NetworkBytes
from happyhorse.engines.magihuman import AUDIO_VAE, TEXT_ENCODER, TURBO_VAE, WAN_VAE
from happyhorse.engines.magihuman_stored import (
    check_present,
    judge_clip,
    judge_networks,
    network_folder,
    part_named,
    stored_bytes,
)
from happyhorse.engines.memory import Arrangement, Computing, MemoryPlan, networks_of, plan_memory
from happyhorse.engines.plan import Plan
from happyhorse.errors import OutOfMemory
from happyhorse.hub.origin import check_origin
from happyhorse.hub.parts import Part
from happyhorse.hub.store import WeightStore
from happyhorse.model.checkpoint import only_file
from happyhorse.model.convert import made_turbo_vae
from happyhorse.model.follow import lead
from happyhorse.model.fp8 import Fp8Linear, blank_network
from happyhorse.model.fp8_products import Fp8Product, can_multiply, multiply_in_fp8
from happyhorse.model.layouts import load_network, open_network
from happyhorse.model.oobleck import Oobleck
from happyhorse.model.parallel import Ranks
from happyhorse.model.parts import Loader, Parts
from happyhorse.model.release import NETWORKS
from happyhorse.model.slices import slice_mlps
from happyhorse.model.speedups import PLAIN, Speedups
from happyhorse.model.stream import Slots, load_on_host, page_locked_bytes, stream_blocks
from happyhorse.model.t5gemma import PromptEncoder
from happyhorse.model.transformer import Transformer
from happyhorse.model.turbo_vae import TurboVae
from happyhorse.model.wan_vae import WanVae

_CGROUP = Path("/sys/fs/cgroup")
HOST_SHARE = 0.8
"""Of the host's free memory, what may be locked for weights."""
_log = logging.getLogger("happyhorse.magihuman")


class Arranger:
    """Chooses an arrangement for each clip by what is free on the GPU; parts stay loaded while the arrangement stays.

    With `fp8` networks are in eight bits even where there is room, and multiply so where the GPU can.
    """

    def __init__(
        self,
        store: WeightStore,
        parts: dict[str, Part],
        device: torch.device,
        ranks: Ranks | None = None,
        *,
        fp8: bool = False,
        speedups: Speedups = PLAIN,
    ) -> None:
        self.store, self.parts, self.device, self.ranks = store, parts, device, ranks
        self.fp8, self.speedups = fp8, speedups
        self.computing = Computing(fp8_products=fp8 and can_multiply(device), **asdict(speedups))
        self.found: MemoryPlan | None = None
        self.arranged = Parts({})

    def __call__(self, plan: Plan, *, failed: str | None = None) -> Parts:
        """Arrange the parts; when the present arrangement `failed` for lack of memory, in a leaner one.

        Raises: WeightsMissing for parts that only some clips need; OutOfMemory with figures when no arrangement fits beside
        what other processes hold, and after a failure that other processes took part in: they are still inside of it.
        """
        needed = [plan.refine.network] if plan.refine else []
        needed += [WAN_VAE] if plan.image else []
        check_present(plan.engine, self.store, [self.parts[name] for name in needed])
        free_bytes, total_bytes = gpu_bytes(self.device)
        found, before = self._choose(plan, free_bytes, total_bytes, failed), self.found
        judge_networks(self.store, networks_of(plan).values(), fp8=found.arrangement.fp8)
        if before is None or found.arrangement != before.arrangement:
            self.arranged.release()
            loader = self._loader(found.arrangement)
            self.arranged = Parts(self._loaders(loader), kept=self._kept(found.arrangement))
            _log.info("arranged %s; speed-ups: %s", found.arrangement.name, loader.speedups)
        elif found.arrangement.kept:
            self._make_room(plan, found, free_bytes)
        self.found = found
        self.arranged.planned, self.arranged.strips = found.figures(free_bytes), found.strips
        _log.info("%s", self.arranged.planned)
        return self.arranged

    def _choose(self, plan: Plan, free_bytes: int, total_bytes: int, failed: str | None) -> MemoryPlan:
        choose = partial(
            plan_memory,
            plan,
            free_bytes,
            ranks=self.ranks.count if self.ranks else 1,
            fp8=self.fp8,
            computing=self.computing,
            stored=judge_clip(self.store, plan, values=True),
        )
        if failed is None:
            return choose(total_bytes=total_bytes)
        if self.ranks is not None and self.ranks.is_calling:
            raise OutOfMemory(failed)
        try:
            return choose(failed=self.found)
        except OutOfMemory as err:
            raise OutOfMemory(f"{failed}; {err.message}") from err

    def _kept(self, chosen: Arrangement) -> frozenset[str]:
        """What stays loaded from clip to clip; a text encoder on the CPU where the host has room for it and for more."""
        networks = self.parts.keys() & NETWORKS.keys()
        kept = frozenset(self.parts) if chosen.kept else frozenset(networks if chosen.streamed else ())
        if not chosen.encoder_on_cpu:
            return kept
        has_room = host_free_bytes() > 2 * TEXT_ENCODER_BYTES
        return kept | {TEXT_ENCODER} if has_room else kept - {TEXT_ENCODER}

    def _make_room(self, plan: Plan, found: MemoryPlan, free_bytes: int) -> None:
        """Let networks go that earlier clips have left and this one does not use, when they are in its way."""
        used = {plan.refine.network if plan.refine else "", "distill", "base"}
        others = [name for name in self.arranged.loaded if name in NETWORKS and name not in used]
        stored, published = stored_bytes(self.store, others), NetworkBytes.published(NETWORKS["base"].config)
        counted = (stored.get(name, published).count(fp8=found.arrangement.fp8) for name in others)
        if found.peak_bytes + sum(counted) > free_bytes:
            self.arranged.drop(others)

    def _loader(self, chosen: Arrangement) -> NetworkLoader:
        return NetworkLoader(
            self.store,
            self.device,
            chosen,
            sharers=self.ranks.count if self.ranks else 1,
            multiply_fp8=self.fp8,
            speedups=self.speedups,
        )

    def _loaders(self, loader: NetworkLoader) -> dict[str, Loader]:
        root, device, chosen = self.store.root, self.device, loader.arrangement
        folders = {name: self.store.folder(part) for name, part in self.parts.items()}
        encoder_device = torch.device("cpu") if chosen.encoder_on_cpu else device
        found: dict[str, Callable[[], nn.Module]] = {
            TEXT_ENCODER: partial(PromptEncoder.load, folders[TEXT_ENCODER], device=encoder_device),
            WAN_VAE: lambda: WanVae.load(only_file(folders[WAN_VAE]), dtype=torch.bfloat16).to(device),
            AUDIO_VAE: lambda: Oobleck.load(only_file(folders[AUDIO_VAE])).to(device),
            TURBO_VAE: lambda: TurboVae.load(made_turbo_vae(root), dtype=torch.bfloat16).to(device),
        }
        for name in self.parts.keys() & NETWORKS.keys():
            found[name] = partial(self._network, name, loader)
        return found

    def _network(self, name: str, loader: NetworkLoader) -> Transformer:
        model = loader(name)
        if self.ranks is None:
            return model
        return lead(model, self.ranks, network=name, arrangement=loader.arrangement.name)


class NetworkLoader:
    """Loads networks as one arrangement has them, from a conversion beside the download where there is one.

    Streamed networks share their slots. `sharers` processes load on this machine. With `multiply_fp8` networks in eight bits
    multiply so too, where the GPU can.
    """

    def __init__(
        self,
        store: WeightStore,
        device: torch.device,
        arrangement: Arrangement,
        *,
        sharers: int = 1,
        multiply_fp8: bool = False,
        speedups: Speedups = PLAIN,
    ) -> None:
        self.store, self.device, self.arrangement, self.sharers = store, device, arrangement, sharers
        self.speedups = speedups.only(recordable=arrangement.kept and sharers == 1 and device.type == "cuda")
        self.multiply_fp8 = multiply_fp8 and arrangement.fp8 and can_multiply(device)
        self.slots: Slots | None = None

    def __call__(self, name: str) -> Transformer:
        """Raises: WeightsMissing."""
        folder = network_folder(self.store, name, fp8=self.arrangement.fp8)
        is_converted = folder.name != name
        if is_converted:
            _log.info("%s", check_origin(self.store, part_named(name), folder))
        config, fp8, streamed = NETWORKS[name].config, self.arrangement.fp8, self.arrangement.streamed
        if streamed:
            # As large as any layer of the arrangement: some networks may lie there in fewer bits than others.
            self.slots = self.slots or Slots.of(blank_network(config, fp8=fp8), self.device)
            # What is yet to be rounded to FP8 goes to the GPU for it, matrix by matrix.
            rounding = self.device if fp8 and not is_converted else torch.device("cpu")
            model = self._on_host(*open_network(folder, config, device=rounding, fp8=fp8))
        else:
            model = load_network(folder, config, device=self.device, fp8=fp8)
        slice_mlps(model, MLP_ROWS)
        if self.multiply_fp8:
            multiply_in_fp8(model, streamed=streamed)
        model.note = _arithmetic(name, model)
        self.speedups.apply(model)
        if self.slots is not None:
            stream_blocks(model, self.slots)
        return model

    def _on_host(self, model: Transformer, tensors: Iterator[tuple[str, Tensor]]) -> Transformer:
        num_bytes = sum(tensor.nbytes for tensor in model.state_dict().values())
        return load_on_host(model, tensors, device=self.device, pinned=self._fits_host(num_bytes))

    def _fits_host(self, num_bytes: int) -> bool:
        """Whether weights can be in page-locked memory; they stay mapped from their files where not."""
        free_bytes = host_free_bytes()
        locked_bytes = page_locked_bytes(num_bytes) * self.sharers
        fits = self.device.type == "cuda" and locked_bytes <= HOST_SHARE * free_bytes
        if not fits:
            _log.warning(
                "%.0f GB of weights stay in their files, as the host has %.0f GB free; copying will be slower",
                num_bytes / GB,
                free_bytes / GB,
            )
        return fits


def _arithmetic(name: str, model: Transformer) -> str:
    """What a clip is to say of a network's arithmetic: nothing where it is the published one."""
    kinds = {type(module) for module in model.modules()}
    if Fp8Product in kinds:
        rounded = f"the weights of {name} and what they multiply are rounded to eight bits"
    elif Fp8Linear in kinds:
        rounded = f"the weights of {name} are rounded to eight bits"
    else:
        return ""
    return f"{rounded}; the same seed gives another clip than in bf16"


def gpu_bytes(device: torch.device) -> tuple[int, int]:
    """Memory of a GPU that this process can have, what it has already included; and all there is."""
    unused_bytes, total_bytes = torch.cuda.mem_get_info(device)
    return unused_bytes + torch.cuda.memory_reserved(device), total_bytes


def host_free_bytes() -> float:
    """Memory that this machine can still give to processes, or the container they are in; 0 where it does not say."""
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return min(int(found[1]) * 1024, _container_free_bytes()) if found else 0


def _container_free_bytes() -> float:
    """What a container with a limit has left, cached files counted as free; infinite without a limit."""
    try:
        limit, used, facts = ((_CGROUP / f"memory.{name}").read_text() for name in ("max", "current", "stat"))
        cached = re.search(r"^inactive_file (\d+)$", facts, re.MULTILINE)
        return int(limit) - int(used) + int(cached[1] if cached else 0)
    except (OSError, ValueError):  # there is no such file, or no limit: "max"
        return math.inf

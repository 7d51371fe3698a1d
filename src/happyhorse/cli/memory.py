"""What `generate --plan` says of the 15 B engine's memory: by stage, for the GPU here, for one of a given size, or for usual ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from happyhorse.engines.cards import Card
    from happyhorse.engines.memory import Computing, Stored
    from happyhorse.engines.plan import Plan
    from happyhorse.hub.store import WeightStore
    from happyhorse.settings import Settings

_GB = 1e9


def memory_of(decided: Plan, gpu: str | None, settings: Settings) -> list[dict[str, object]]:
    """Return the memory plans to be shown, as `engines.cards` makes them; none for an engine that plans no memory.

    Raises: InvalidRequest for a size that is none, or for an engine that takes none; EngineError for a GPU that is too old;
    WeightsMissing for a part that is here and cannot be read; OutOfMemory with figures where the clip does not fit on the
    GPU here or on the one that was named.
    """
    from happyhorse.engines.cards import USUAL_CARDS, memory_on, memory_on_each, stated_card

    if not decided.engine.startswith("magihuman"):
        if gpu is not None:
            raise InvalidRequest(
                f"--gpu is for engines magihuman and magihuman-base; got engine '{decided.engine}'",
                field="gpu",
            )
        return []
    ranks = _num_ranks()
    card = _card_here(decided.engine, ranks) if gpu is None else replace(stated_card(gpu), ranks=ranks)
    computing, stored = _computing(settings), _stored(decided, settings)
    if card is None:
        usual = tuple(replace(each, ranks=ranks) for each in USUAL_CARDS)
        return memory_on_each(decided, usual, fp8=settings.fp8, computing=computing, stored=stored)
    found = memory_on(decided, card, fp8=settings.fp8, computing=computing, stored=stored)
    if stored:
        from happyhorse.engines.magihuman_stored import judge_networks
        from happyhorse.engines.memory import arrangement

        judge_networks(_store(settings), stored, fp8=arrangement(str(found["arrangement"])).fp8)
    return [found]


def _stored(decided: Plan, settings: Settings) -> Stored:
    """What the networks of a clip take, as far as they are here; all that it needs and is here is judged."""
    from happyhorse.engines.memory import NOTHING_STORED

    store = _store(settings)
    if not store.root.is_dir():
        return NOTHING_STORED
    from happyhorse.engines.magihuman_stored import judge_clip

    return judge_clip(store, decided)


def _store(settings: Settings) -> WeightStore:
    from happyhorse.hub.store import WeightStore

    return WeightStore(settings.weights_dir / "magihuman")


def _num_ranks() -> int:
    """How many processes with a GPU each share a clip, as torchrun started them."""
    from happyhorse.model.follow import join

    ranks = join()
    return ranks.count if ranks else 1


def _card_here(engine: str, ranks: int) -> Card | None:
    import torch

    from happyhorse.engines.cards import Card

    if not torch.cuda.is_available():
        return None
    from happyhorse.engines.magihuman_arrange import gpu_bytes
    from happyhorse.engines.magihuman_load import find_gpu
    from happyhorse.model.fp8_products import can_multiply

    device = find_gpu(engine)
    return Card(
        torch.cuda.get_device_name(device),
        *gpu_bytes(device),
        has_fp8_products=can_multiply(device),
        ranks=ranks,
    )


def _computing(settings: Settings) -> Computing:
    from dataclasses import asdict

    from happyhorse.engines.memory import PLAINLY, Computing

    if not settings.speedups:
        return PLAINLY
    from happyhorse.cli.build import load_speedups

    return Computing(**asdict(load_speedups(settings)))


def memory_rows(cards: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return memory plans as lines: each card, then what its stages hold."""
    rows: list[tuple[str, str]] = []
    if len(cards) > 1:
        rows.append(("gpu", "none is here; on cards of usual sizes, all of their memory free:"))
    for card in cards:
        free = f"{card['free_bytes'] / _GB:.1f} GB free"
        if not card["fits"]:
            rows.append(("gpu", f"{card['gpu']}: does not fit; {card['message']}"))
            continue
        strips = f", pictures in {card['strips']} strips" if card["strips"] > 1 else ""
        context = f"{card['context_bytes'] / _GB:.1f} GB for CUDA itself"
        rows.append(
            (
                "gpu",
                f"{card['gpu']}: {card['arrangement']}{strips}, at most {card['peak_bytes'] / _GB:.1f} of {free}, with {context}",
            )
        )
        rows.append(("", card["meaning"]))
        rows += [("", _stage(stage)) for stage in card["stages"]]
    return rows


def _stage(stage: Mapping[str, Any]) -> str:
    weights, activations, total, host = (
        stage[name] / _GB for name in ("weights_bytes", "activation_bytes", "total_bytes", "host_bytes")
    )
    on_host = f"; {host:.1f} GB of weights in host memory" if host else ""
    return f"{stage['stage']:<11}  weights {weights:>5.1f}, activations {activations:>4.1f}, in all {total:>5.1f} GB{on_host}"

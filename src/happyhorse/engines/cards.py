"""The memory plan of a clip of the 15 B engine for a GPU that need not be here, before anything is loaded. Torch-free."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace

from happyhorse.engines.footprint import CONTEXT_BYTES, GB
from happyhorse.engines.memory import NOTHING_STORED, PLAINLY, Computing, Stored, plan_memory
from happyhorse.engines.plan import Plan
from happyhorse.errors import InvalidRequest, OutOfMemory

MAX_CARD_GB = 1000


@dataclass(frozen=True)
class Card:
    """A GPU as far as memory goes: what is free on it, and, of one that was looked at, all there is.

    A clip over several processes has as many cards like this, its `ranks`.
    """

    name: str
    free_bytes: int
    total_bytes: int | None = None
    has_fp8_products: bool = True
    ranks: int = 1


def stated_card(size: str) -> Card:
    """Return a card of a size such as 24GB, all of it free; a GB is 10^9 bytes. Raises: InvalidRequest for what is no size."""
    found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,3})?) ?(?:GB?)?", size.strip(), re.ASCII | re.IGNORECASE)
    gigabytes = float(found[1]) if found else 0.0
    if not 1 <= gigabytes <= MAX_CARD_GB:
        raise InvalidRequest(
            f"--gpu must be a size from 1GB to {MAX_CARD_GB}GB, such as 24GB; got '{size[:40]}'", field="gpu"
        )
    return Card(f"{gigabytes:g} GB", round(gigabytes * GB))


USUAL_CARDS = tuple(map(stated_card, ("16GB", "24GB", "48GB", "80GB")))
"""Those that are looked at when there is none."""


def memory_on(
    plan: Plan,
    card: Card,
    *,
    fp8: bool = False,
    computing: Computing = PLAINLY,
    stored: Stored = NOTHING_STORED,
) -> dict[str, object]:
    """Return the arrangement in which a clip fits on a card, and what each stage holds where, as JSON types.

    With `fp8` networks are in eight bits also where there is room; they multiply so where the card can.
    Raises: OutOfMemory with figures when nothing fits.
    """
    found = plan_memory(
        plan,
        card.free_bytes,
        total_bytes=card.total_bytes,
        ranks=card.ranks,
        fp8=fp8,
        computing=replace(computing, fp8_products=fp8 and card.has_fp8_products),
        stored=stored,
    )
    stages = [{**asdict(stage), "total_bytes": stage.total_bytes} for stage in found.stages]
    return {
        **_facts(card, fits=True),
        "arrangement": found.arrangement.name,
        "meaning": found.meaning,
        "strips": found.strips,
        "context_bytes": CONTEXT_BYTES,
        "peak_bytes": found.peak_bytes,
        "stages": stages,
    }


def memory_on_each(
    plan: Plan,
    cards: tuple[Card, ...],
    *,
    fp8: bool = False,
    computing: Computing = PLAINLY,
    stored: Stored = NOTHING_STORED,
) -> list[dict[str, object]]:
    """As `memory_on`; a card on which nothing fits says so in its place."""
    shown = []
    for card in cards:
        try:
            shown.append(memory_on(plan, card, fp8=fp8, computing=computing, stored=stored))
        except OutOfMemory as err:
            shown.append({**_facts(card, fits=False), "message": err.message})
    return shown


def _facts(card: Card, *, fits: bool) -> dict[str, object]:
    return {"gpu": card.name, "free_bytes": card.free_bytes, "fits": fits}

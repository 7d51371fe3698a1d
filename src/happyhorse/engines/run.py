"""A plan becomes a file in one go: both halves of an engine, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from happyhorse.media.write import writable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from happyhorse.engines.base import Engine, OnProgress
    from happyhorse.engines.plan import Plan
    from happyhorse.engines.take import Take
    from happyhorse.request import Output


def run(
    engine: Engine,
    plan: Plan,
    output: Path,
    *,
    on_progress: OnProgress,
    on_take: Callable[[Take], None] = lambda _: None,
) -> Output:
    """Make the clip; an output that cannot be written is refused before any work. Raises: as `Engine.render`."""
    writable(output)
    take = engine.denoise(plan, on_progress=on_progress)
    on_take(take)
    return engine.render(plan, take, output, on_progress=on_progress)

"""A plan becomes a file in one go: the parts of an engine, one after the other."""

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
    return draw(engine, plan, take, output, on_progress=on_progress)


def draw(engine: Engine, plan: Plan, take: Take, output: Path, *, on_progress: OnProgress) -> Output:
    """Make the clip of a take as `Engine.denoise` left it. Raises: as `Engine.render`."""
    refined = engine.refine(plan, take, on_progress=on_progress)
    return engine.render(plan, refined, output, on_progress=on_progress)

"""Find the parts in a folder the user already has, under any of the names they are published or kept under."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from happyhorse.errors import InvalidRequest, WeightsMissing
from happyhorse.hub.parts import Part
from happyhorse.hub.store import WeightStore

Judge = Callable[[Part, Path], None]
"""Raises WeightsMissing for files that are not those of the part."""


def adopt(
    store: WeightStore, parts: Sequence[Part], source: Path, judge: Judge = lambda _part, _path: None
) -> dict[str, Path]:
    """Link every part found at `source` and return where each was; with one part asked for, `source` may be that part.

    Raises: InvalidRequest if there is no such folder, WeightsMissing if none of the parts is in it or `judge` refuses one;
    then nothing is linked, and what was linked before stays so.
    """
    if not source.is_dir():
        raise InvalidRequest(f"folder '{source}' does not exist", field="from")
    found = {part.name: place for part in parts if (place := _place(part, source)) is not None}
    if not found and len(parts) == 1 and _holds(parts[0], source):
        found = {parts[0].name: source}
    if not found:
        names = ", ".join(part.name for part in parts)
        raise WeightsMissing(f"{source} has no folder for any of: {names}")
    here = [part for part in parts if part.name in found]
    for part in here:
        judge(part, found[part.name])
    for part in here:
        store.link(part, found[part.name])
    return found


def _place(part: Part, source: Path) -> Path | None:
    names = (part.name, *part.other_names)
    return next((source / name for name in names if _holds(part, source / name)), None)


def _holds(part: Part, folder: Path) -> bool:
    """Whether any file of a part lies in a folder, or one level below it, as FastVideo has them."""
    weights = [pattern for pattern in part.patterns if not pattern.endswith(".json")]
    places = [folder / below for below in ("", "transformer", "sr_transformer")]
    return any(next(place.glob(pattern), None) for pattern in weights for place in places)

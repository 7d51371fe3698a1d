"""What the names in a prompt stand for: character1..9, [Image N], @videoN, bound to the inputs of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from happyhorse.prompt.read import Prompt
from happyhorse.request import GenerationRequest


@dataclass(frozen=True)
class Binding:
    """What a name in the prompt, or an image without one, stands for. `images` are numbers of references, from 1."""

    name: str
    role: Literal["character", "image", "first_frame", "source", "style", "unbound"]
    images: tuple[int, ...] = ()


def nameable(request: GenerationRequest) -> int:
    """How many images the prompt may name by number."""
    return 1 if request.image else len(request.references)


def bind(request: GenerationRequest, read: Prompt, notes: list[str]) -> tuple[Binding, ...]:
    """Bind each name in the prompt to images. By default character N is image N; explicit groups claim theirs first."""
    available = nameable(request)
    groups = _groups(request.characters or read.characters, available)
    bindings: dict[str, Binding] = {}
    used: set[int] = set()
    for reference in read.references:
        name = (
            f"{reference.kind}{reference.number}"
            if reference.kind == "character"
            else f"{reference.kind} {reference.number}"
        )
        if reference.kind in ("video", "audio"):
            given = request.video if reference.kind == "video" else request.voice
            bindings[name] = Binding(name, "source" if given and reference.number == 1 else "unbound")
            continue
        images = groups.get(reference.number, ()) if reference.kind == "character" else (reference.number,)
        if not images or max(images) > available:
            bindings[name] = Binding(name, "unbound")
        elif request.image:
            bindings[name] = Binding(name, "first_frame")
        else:
            bindings[name] = Binding(name, "character" if reference.kind == "character" else "image", images)
            used.update(images)
    lost = [name for name, binding in bindings.items() if binding.role == "unbound"]
    if lost:
        notes.append(f"not bound to any file, read as plain words: {', '.join(lost)}")
    free = [number for number in range(1, len(request.references) + 1) if number not in used]
    if free:
        numbers = ", ".join(map(str, free))
        notes.append(f"not named in the prompt, used as style references: image {numbers}")
    return (*bindings.values(), *(Binding(f"image {number}", "style", (number,)) for number in free))


def _groups(explicit: Mapping[str, Sequence[int]], available: int) -> dict[int, tuple[int, ...]]:
    groups = {int(name.removeprefix("character")): tuple(images) for name, images in explicit.items()}
    claimed = {image for images in groups.values() for image in images}
    free = [image for image in range(1, available + 1) if image not in claimed]
    for number in range(1, available + 1):
        if number not in groups and free:
            groups[number] = (free.pop(0),)
    return groups

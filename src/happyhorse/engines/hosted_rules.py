"""What the planner says of a request that goes to another server: what cannot be told there, what is sent, who charges."""

from __future__ import annotations

from happyhorse.engines.base import Capabilities
from happyhorse.engines.inputs import Inputs
from happyhorse.errors import Unsupported
from happyhorse.request import GenerationRequest


def check_forward(request: GenerationRequest, capabilities: Capabilities) -> None:
    """Raises: Unsupported for what the models there have no field for; nothing is dropped without a word."""
    forward = capabilities.forward
    if forward is None:
        return
    if request.no_audio and request.video is None:
        text = "no_audio: hosted always makes sound; the models it forwards to have no switch for it"
        raise Unsupported(text, field="no_audio")
    if request.draft:
        raise Unsupported(
            "draft: hosted has no drafts; the other server draws at the full size only", field="draft"
        )
    moved = [name for name, images in request.characters.items() if images != (int(name[-1]),)]
    if moved:
        text = f"characters: hosted binds character N to image N, and {moved[0]} is bound otherwise; write [Image N] in the prompt"
        raise Unsupported(text, field="characters")
    if request.mode == "r2v" and len(request.references) < forward.least_references:
        text = (
            f"references: {forward.dialect} takes {forward.least_references} to {capabilities.max_references} images as references "
            f"and a single one as the first frame; got {len(request.references)}"
        )
        raise Unsupported(text, field="references")


def note_forward(
    request: GenerationRequest, capabilities: Capabilities, inputs: Inputs, notes: list[str]
) -> None:
    """Say what will be sent where."""
    forward = capabilities.forward
    if forward is None:
        return
    given = [("image", inputs.image), ("video", inputs.video)]
    given += [(f"reference {number}", info) for number, info in enumerate(inputs.references, start=1)]
    files = [f"{name} ({info.size_bytes / 1e6:.2f} MB)" for name, info in given if info is not None]
    sent = ", ".join(["the prompt", *files])
    notes.append(
        f"sent to {forward.address} ({forward.dialect}, model {forward.models[request.mode]}): {sent}; "
        "it is made and charged there, and the price here is this server's sheet for it"
    )
    notes.append("the file is kept as it comes back: its exact size and frames a second are that server's")
    if request.watermark and not forward.takes_watermark:
        notes.append(f"watermark: {forward.dialect}'s own models have no field for it and may leave it out")

"""The passes of a clip over its latents: their sizes and tokens, what the plan says of them, what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from happyhorse.engines.base import Capabilities
from happyhorse.shapes import FPS, RATIOS, LatentShape, VideoShape

MAX_SILENT_CROP = 0.04
"""A first frame or source video, or a drawn picture, may lose this share of a side without a word."""


@dataclass(frozen=True)
class Conditions:
    """What a sequence holds besides prompt, picture and sound."""

    num_references: int
    has_source: bool
    has_voice: bool


@dataclass(frozen=True)
class Tokens:
    """Rows of the packed sequence of one denoising step."""

    video: int
    audio: int
    text: int
    conditions: int
    """Clean rows: references, and the source of an edit."""

    @property
    def total(self) -> int:
        return self.video + self.audio + self.text + self.conditions


@dataclass(frozen=True)
class Refine:
    """The second pass: which network, at which size, how long its sequence is."""

    network: str
    width: int
    height: int
    num_steps: int
    latent: LatentShape
    tokens: Tokens


def count(
    capabilities: Capabilities,
    base: tuple[int, int],
    num_frames: int,
    conditions: Conditions,
) -> tuple[LatentShape | None, Tokens]:
    if not capabilities.base_sizes:
        return None, Tokens(0, 0, 0, 0)
    latent = VideoShape(num_frames, height=base[1], width=base[0]).latent()
    text = capabilities.text_tokens + math.ceil(capabilities.phonemes_per_s * num_frames / FPS)
    clean = conditions.num_references * latent.tokens_per_frame + latent.num_tokens * conditions.has_source
    # A track has one latent a picture; the network's own sound was trained a little longer. Source: specs/model.md 3.1.
    extra = 0 if conditions.has_voice else capabilities.extra_audio_latents
    audio = max(latent.audio().num_latents, num_frames + extra)
    return latent, Tokens(latent.num_tokens, audio, text, clean)


def refinement(
    capabilities: Capabilities,
    resolution: str,
    ratio: str,
    num_frames: int,
    conditions: Conditions,
) -> Refine | None:
    second = capabilities.refinements.get(resolution)
    if second is None:
        return None
    size = second.sizes[ratio]
    latent, tokens = count(capabilities, size, num_frames, conditions)
    assert latent is not None
    return Refine(second.network, *size, second.num_steps, latent, tokens)


def note_sizes(
    capabilities: Capabilities,
    ratio: str,
    notes: list[str],
    *,
    size: tuple[int, int],
    base: tuple[int, int],
    refine: Refine | None,
) -> None:
    last = (refine.width, refine.height) if refine else base
    text = f"made at {base[0]}x{base[1]}"
    if refine:
        text += f", refined at {last[0]}x{last[1]} by {refine.network}"
    if size != last:
        made, wanted = last[0] / last[1], size[0] / size[1]
        cut = ", cut from the middle" if max(made / wanted, wanted / made) > 1 + MAX_SILENT_CROP else ""
        larger = "enlarged" if size[0] * size[1] > last[0] * last[1] else "scaled"
        text += f"{cut} and {larger} to {size[0]}x{size[1]}"
    if (size, refine) != (base, None):
        notes.append(text)
    if capabilities.proven_ratios is not None and ratio not in capabilities.proven_ratios:
        proven = " and ".join(r for r in RATIOS if r in capabilities.proven_ratios)
        notes.append(
            f"{ratio} is no ratio {capabilities.engine}'s makers vouch for ({proven}); it is drawn at a size with about as many tokens"
        )


def estimate_seconds(
    capabilities: Capabilities,
    tokens: Tokens,
    num_frames: int,
    *,
    base: tuple[int, int],
    size: tuple[int, int],
    refine: Refine | None,
) -> float:
    cost = capabilities.cost
    drawn = (refine.width, refine.height) if refine else base
    drawn_mpx = num_frames * drawn[0] * drawn[1] / 1e6
    size_mpx = num_frames * size[0] * size[1] / 1e6
    denoise = cost.token_step_s * tokens.total * capabilities.num_steps
    for second in capabilities.refinements.values():
        if refine and second.network == refine.network:
            denoise += second.token_step_s * refine.tokens.total * refine.num_steps
            break
    return round(
        cost.load_s + denoise + cost.decode_s_per_mpx * drawn_mpx + cost.encode_s_per_mpx * size_mpx, 1
    )


def estimate_memory(capabilities: Capabilities, tokens: Tokens, size: tuple[int, int]) -> int:
    cost = capabilities.cost
    return (
        cost.resident_bytes + cost.bytes_per_token * tokens.total + cost.bytes_per_pixel * size[0] * size[1]
    )

"""What the 15 B engine can do, as data: `magihuman` is the distilled network, `magihuman-base` the guided one.

Sizes are multiples of 32 pixels. Those of 16:9 and 9:16 are the release's own; the others are the nearest to their ratio
that have about as many tokens. 720P is drawn by the 540p network and enlarged: the 1080p network takes six times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from happyhorse.engines.base import Capabilities, Cost, Refinement
from happyhorse.request import LANGUAGES
from happyhorse.shapes import RESOLUTIONS

PROVEN_RATIOS = frozenset({"16:9", "9:16"})
MAX_TEXT_TOKENS = 640
DISTILLED_STEPS, GUIDED_STEPS, REFINING_STEPS = 8, 32, 5

BASE_SIZES: Mapping[str, tuple[int, int]] = {
    "16:9": (448, 256),
    "9:16": (256, 448),
    "1:1": (352, 352),
    "4:3": (384, 288),
    "3:4": (288, 384),
    "4:5": (288, 352),
    "5:4": (352, 288),
    "9:21": (224, 512),
    "21:9": (512, 224),
}
_540P = {ratio: (2 * width, 2 * height) for ratio, (width, height) in BASE_SIZES.items()}
_1080P: Mapping[str, tuple[int, int]] = {
    "16:9": (1920, 1088),
    "9:16": (1088, 1920),
    "1:1": (1440, 1440),
    "4:3": (1664, 1248),
    "3:4": (1248, 1664),
    "4:5": (1280, 1632),
    "5:4": (1632, 1280),
    "9:21": (960, 2208),
    "21:9": (2208, 960),
}

# Seconds a token and step: the release's own figures for one H100 (specs/model.md 8) over the tokens of its sizes.
_SR_540P = Refinement("540p_sr", _540P, REFINING_STEPS, token_step_s=6.8e-5)
_SR_1080P = Refinement("1080p_sr", _1080P, REFINING_STEPS, token_step_s=9.4e-5)

NEGATIVE_PROMPT = ", ".join(
    (
        "blurry picture, low resolution, compression blocks, flicker, overexposed, washed-out colours, jitter, ghosting",
        "deformed face, extra fingers, missing limbs, melted features, asymmetric eyes, stiff expression, subtitles, watermark",
        "clipped sound, hiss, hum, crackle, muffled sound, echo, wind noise, sudden jumps in volume, distorted music",
        "robotic voice, slurred words, stutter, wrong accent, monotone speech, swallowed syllables, lips out of step with the voice",
    )
)
"""Ours: the release's own text is not published with this package, and may be given as negative_prompt."""

MAGIHUMAN = Capabilities(
    engine="magihuman",
    weights_id="davinci-magihuman-distill",
    weights_hash="",
    modes=frozenset({"t2v", "i2v"}),
    languages=frozenset(LANGUAGES),
    resolutions=RESOLUTIONS,
    base_sizes=BASE_SIZES,
    num_steps=DISTILLED_STEPS,
    sampler="renoise",
    max_references=0,
    text_tokens=MAX_TEXT_TOKENS,
    voice_track=True,
    refinements={"480P": _SR_540P, "720P": _SR_540P, "1080P": _SR_1080P},
    proven_ratios=PROVEN_RATIOS,
    extra_audio_latents=1,
    rewrites_prompt=True,
    # Bytes: a line through what memory.py plans with bf16 networks that take turns, pictures in strips.
    cost=Cost(
        source="the release's own figures for one NVIDIA H100",
        token_step_s=4.6e-5,
        decode_s_per_mpx=0.023,
        encode_s_per_mpx=0.02,
        resident_bytes=32_200_000_000,
        bytes_per_token=117_000,
    ),
)

MAGIHUMAN_BASE = replace(
    MAGIHUMAN,
    engine="magihuman-base",
    weights_id="davinci-magihuman-base",
    num_steps=GUIDED_STEPS,
    sampler="unipc",
    negative_prompt=NEGATIVE_PROMPT,
    # Two passes a step.
    cost=replace(MAGIHUMAN.cost, token_step_s=2 * MAGIHUMAN.cost.token_step_s),
)

"""plan(request, capabilities) -> Plan: every default, size, seed, length and step count of a clip is decided here.

Pure and torch-free; the one thing from outside is a seed when none was given. What cannot run is refused here, with the
limit and the value, before anything is spent. Engines read the Plan and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from happyhorse.engines.base import Capabilities
from happyhorse.engines.bindings import Binding, bind, nameable
from happyhorse.engines.catalog import CATALOG
from happyhorse.engines.hosted_rules import check_forward, note_forward
from happyhorse.engines.inputs import Inputs, check_heard, check_inputs, note_image
from happyhorse.engines.passes import (
    MAX_SILENT_CROP,
    Conditions,
    Refine,
    Tokens,
    count,
    estimate_memory,
    estimate_seconds,
    note_sizes,
    refinement,
)
from happyhorse.engines.prompt_length import Tokenize, judge_length
from happyhorse.errors import InvalidRequest, Unsupported
from happyhorse.language import is_wide, seconds_to_say
from happyhorse.prompt.known import judge
from happyhorse.prompt.read import Finding, Line, Prompt, read_prompt
from happyhorse.request import LANGUAGE_NAMES, MAX_SEED, GenerationRequest, Mode, Output
from happyhorse.shapes import (
    FPS,
    MAX_DURATION_S,
    MIN_DURATION_S,
    LatentShape,
    MediaInfo,
    nearest_ratio,
    output_size,
    ratio_value,
)

DEFAULT_DURATION_S = 5
DEFAULT_RATIO = "16:9"
DEFAULT_RESOLUTION = "720P"
MAX_PROMPT_UNITS = 5_000
"""A character counts one, a Chinese, Japanese or Korean one two. Source: specs/api.md 1.2."""

Sound = Literal["make", "retain", "remove"]

_MODE_NAMES: Mapping[Mode, str] = {
    "t2v": "t2v (a prompt alone)",
    "i2v": "i2v (an image as first frame)",
    "r2v": "r2v (references)",
    "edit": "edit (a video)",
}


@dataclass(frozen=True)
class Plan:
    """One clip, decided. Frozen; `digest` is the same for two plans that make the same clip."""

    engine: str
    weights_id: str
    weights_hash: str
    mode: Mode
    prompt: str
    negative_prompt: str
    """What guidance leads away from; empty for an engine without guidance."""
    language: str
    lines: tuple[Line, ...]
    seed: int
    seed_was_drawn: bool
    resolution: str
    ratio: str
    width: int
    height: int
    base_width: int
    base_height: int
    fps: int
    num_frames: int
    num_steps: int
    sampler: str
    latent: LatentShape | None
    """None for an engine without latents."""
    tokens: Tokens
    refine: Refine | None
    sound: Sound
    watermark: bool
    draft: bool
    image: MediaInfo | None
    crop: tuple[int, int, int, int] | None
    """Of the upright first frame or source video: left, top, width, height in its pixels; what is left has the ratio of the clip."""
    references: tuple[MediaInfo, ...]
    video: MediaInfo | None
    voice: MediaInfo | None
    bindings: tuple[Binding, ...]
    metadata: Mapping[str, str]
    parent: str | None
    estimated_seconds: float
    peak_memory_bytes: int
    price_usd: float
    billed_seconds: float
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Length of the clip; a whole number except in edits."""
        return self.num_frames / self.fps

    def to_dict(self) -> dict[str, object]:
        """Everything, as JSON types."""
        fields = json.loads(json.dumps(asdict(self)))
        fields["duration_s"] = self.duration_s
        fields["tokens"]["total"] = self.tokens.total
        return dict(fields)

    def tags(self, weights_hash: str) -> dict[str, str]:
        """What the clip's file says of how it was made, beside the request's own metadata."""
        own = {
            "prompt": self.prompt,
            "seed": str(self.seed),
            "engine": self.engine,
            "weights_hash": weights_hash,
        }
        return {**self.metadata, **own}

    def output(self, path: Path, *, weights_hash: str, notes: tuple[str, ...] = ()) -> Output:
        """Describe the finished clip at `path`; `notes` of the engine follow the plan's own."""
        return Output(
            path=str(path),
            width=self.width,
            height=self.height,
            duration_s=self.duration_s,
            fps=self.fps,
            num_frames=self.num_frames,
            seed=self.seed,
            engine=self.engine,
            weights_hash=weights_hash,
            size_bytes=path.stat().st_size,
            base_width=self.base_width,
            base_height=self.base_height,
            notes=(*self.notes, *notes),
        )

    def digest(self) -> str:
        """SHA-256 of what decides the clip: not of estimates, prices, findings, notes, or where inputs lie."""
        fields = self.to_dict()
        for name in _UNDECIDING:
            del fields[name]
        for name in ("image", "video", "voice"):
            info = getattr(self, name)
            fields[name] = info and info.sha256
        fields["references"] = [info.sha256 for info in self.references]
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


_UNDECIDING = (
    "seed_was_drawn",
    "metadata",
    "parent",
    "estimated_seconds",
    "peak_memory_bytes",
    "price_usd",
    "billed_seconds",
    "findings",
    "notes",
)


def draw_seed() -> int:
    """A seed for a request that has none."""
    return secrets.randbelow(MAX_SEED + 1)


def plan(
    request: GenerationRequest,
    capabilities: Capabilities,
    *,
    media: Mapping[str, MediaInfo] | None = None,
    draw_seed: Callable[[], int] = draw_seed,
    tokenize: Tokenize | None = None,
) -> Plan:
    """Decide everything about a clip.

    Args:
        request: what is asked for.
        capabilities: the engine's, from `catalog` or from an engine that has loaded its weights.
        media: probed facts of each input, by `MediaRef.key`.
        draw_seed: called only when the request has no seed.
        tokenize: counts what an engine that rewrites prompts reads of one; estimated without it.

    Raises: Unsupported naming the engines that can; MediaError for an input beyond the limits; InvalidRequest for speech that
    does not fit the clip.
    """
    _check_support(request, capabilities)
    inputs = check_inputs(request, media or {})
    notes: list[str] = []
    prompt = _cut_prompt(request.prompt, notes)
    resolution = request.resolution or DEFAULT_RESOLUTION
    ratio, crop = _frame(request, inputs, notes)
    num_frames = _num_frames(request, inputs, notes)
    seconds = num_frames / FPS
    check_heard(inputs.voice, seconds=seconds)
    read = read_prompt(prompt, mode=request.mode, duration_s=seconds, num_references=nameable(request))
    sound = _sound(request, inputs, read, notes)
    lines, language = _speech(request, read, notes)
    spoken = sound == "make" and inputs.voice is None and capabilities.speaks
    if spoken and request.fit and inputs.video is None and _needed_s(lines) > seconds:
        seconds = min(math.ceil(_needed_s(lines)), capabilities.max_duration_s)
        num_frames = seconds * FPS
        notes.append(f"the clip lasts {seconds} s: the spoken lines need {_needed_s(lines):.1f} s")
        read = read_prompt(prompt, mode=request.mode, duration_s=seconds, num_references=nameable(request))
    if spoken:
        _check_speech(lines, language, capabilities, seconds=seconds)
    size = output_size(resolution, ratio)
    base = capabilities.base_sizes.get(ratio, size)
    if request.draft:
        size = base
    conditions = Conditions(len(request.references), inputs.video is not None, inputs.voice is not None)
    latent, tokens = count(capabilities, base, num_frames, conditions)
    refine = None if request.draft else refinement(capabilities, resolution, ratio, num_frames, conditions)
    note_sizes(capabilities, ratio, notes, size=size, base=base, refine=refine)
    moves_mouth = sound == "make" and capabilities.speaks and bool(lines or inputs.voice)
    note_image(inputs.image, capabilities, notes, moves_mouth=moves_mouth)
    _note_the_rest(request, capabilities, read, notes)
    guide = capabilities.negative_prompt
    negative_prompt = "" if guide is None else request.negative_prompt or guide
    cut = (
        judge_length(
            prompt, negative_prompt, lines=lines, max_tokens=capabilities.text_tokens, tokenize=tokenize
        )
        if capabilities.rewrites_prompt
        else ()
    )
    note_forward(request, capabilities, inputs, notes)
    billed = seconds + (min(inputs.video.duration_s, MAX_DURATION_S) if inputs.video else 0.0)
    return Plan(
        engine=capabilities.engine,
        weights_id=capabilities.weights_id,
        weights_hash=capabilities.weights_hash,
        mode=request.mode,
        prompt=prompt,
        negative_prompt=negative_prompt,
        language=language,
        lines=lines,
        seed=draw_seed() if request.seed is None else request.seed,
        seed_was_drawn=request.seed is None,
        resolution=resolution,
        ratio=ratio,
        width=size[0],
        height=size[1],
        base_width=base[0],
        base_height=base[1],
        fps=FPS,
        num_frames=num_frames,
        num_steps=capabilities.num_steps,
        sampler=capabilities.sampler,
        latent=latent,
        tokens=tokens,
        refine=refine,
        sound=sound,
        watermark=request.watermark,
        draft=request.draft,
        image=inputs.image,
        crop=crop,
        references=inputs.references,
        video=inputs.video,
        voice=inputs.voice,
        bindings=bind(request, read, notes),
        metadata=request.metadata,
        parent=request.parent,
        estimated_seconds=estimate_seconds(
            capabilities, tokens, num_frames, base=base, size=size, refine=refine
        ),
        peak_memory_bytes=estimate_memory(capabilities, refine.tokens if refine else tokens, size),
        price_usd=round(capabilities.price_per_second[resolution] * billed, 4),
        billed_seconds=round(billed, 3),
        findings=(*read.findings, *cut),
        notes=tuple(notes),
    )


def _check_support(request: GenerationRequest, capabilities: Capabilities) -> None:
    mode, name = request.mode, capabilities.engine
    if mode not in capabilities.modes:
        raise _unsupported(
            "mode",
            f"{name} has no weights for {_MODE_NAMES[mode]}",
            [_MODE_NAMES[offered] for offered in sorted(capabilities.modes)],
            lambda c: mode in c.modes,
        )
    language = request.language
    if language and language not in capabilities.languages:
        raise _cannot_speak(language, capabilities)
    if request.voice and not capabilities.voice_track:
        raise _unsupported("voice", f"{name} cannot follow a voice track", [], lambda c: c.voice_track)
    resolution = request.resolution
    if resolution and resolution not in capabilities.resolutions:
        offers = capabilities.resolutions
        raise _unsupported(
            "resolution", f"{name} does not make {resolution}", offers, lambda c: resolution in c.resolutions
        )
    if resolution == "480P" and mode == "edit":
        raise InvalidRequest("resolution must be 720P or 1080P for an edit; got 480P", field="resolution")
    if request.duration and request.duration > capabilities.max_duration_s:
        limit = capabilities.max_duration_s
        seconds = request.duration
        text = f"{name} makes at most {limit} s and {seconds} s were asked for"
        raise _unsupported("duration", text, [], lambda c: seconds <= c.max_duration_s)
    if len(request.references) > capabilities.max_references:
        count = len(request.references)
        text = f"{name} takes at most {capabilities.max_references} references and there are {count}"
        raise _unsupported("references", text, [], lambda c: count <= c.max_references)
    check_forward(request, capabilities)


def _unsupported(
    field: str, text: str, offers: Sequence[str], can: Callable[[Capabilities], bool]
) -> Unsupported:
    able = [name for name, capabilities in CATALOG.items() if can(capabilities)]
    offered = f"; it does {', '.join(offers)}" if offers else ""
    return Unsupported(f"{text}{offered}; engines that can: {', '.join(able) or 'none yet'}", field=field)


def _cannot_speak(language: str, capabilities: Capabilities) -> Unsupported:
    text = f"{capabilities.engine} does not speak {LANGUAGE_NAMES[language]}"
    offers = [LANGUAGE_NAMES[code] for code in sorted(capabilities.languages)]
    return _unsupported("language", text, offers, lambda c: language in c.languages)


def _cut_prompt(prompt: str, notes: list[str]) -> str:
    prompt = "".join(c for c in prompt if c in "\n\t" or unicodedata.category(c) != "Cc").strip()
    units = 0
    for index, character in enumerate(prompt):
        units += 2 if is_wide(character) else 1
        if units > MAX_PROMPT_UNITS:
            notes.append(
                f"prompt is cut at character {index} of {len(prompt)}: at most {MAX_PROMPT_UNITS} are read, "
                "and Chinese, Japanese and Korean ones count double"
            )
            return prompt[:index]
    return prompt


def _frame(
    request: GenerationRequest, inputs: Inputs, notes: list[str]
) -> tuple[str, tuple[int, int, int, int] | None]:
    """The ratio of the clip, and the part of a first frame or source video that has it."""
    leader = inputs.image or inputs.video
    if leader is None:
        return request.ratio or DEFAULT_RATIO, None
    if request.ratio is not None:
        notes.append(f"ratio {request.ratio} is ignored: the clip follows the {leader.kind}")
    ratio = request.reframe or nearest_ratio(leader.width, leader.height)
    crop = _crop(leader.width, leader.height, ratio)
    lost = 1 - crop[2] * crop[3] / (leader.width * leader.height)
    if lost > MAX_SILENT_CROP:
        sides = "sides" if crop[2] < leader.width else "top and bottom"
        notes.append(
            f"{leader.kind} {leader.width}x{leader.height} is cropped to {ratio}: {lost:.0%} is lost at the {sides}"
        )
    return ratio, crop


def _crop(width: int, height: int, ratio: str) -> tuple[int, int, int, int]:
    value = ratio_value(ratio)
    new_width = min(width, round(height * value))
    new_height = min(height, round(width / value))
    return (width - new_width) // 2, (height - new_height) // 2, new_width, new_height


def _num_frames(request: GenerationRequest, inputs: Inputs, notes: list[str]) -> int:
    if inputs.video is not None:
        source = inputs.video.duration_s
        if request.duration is not None:
            notes.append(f"duration {request.duration} is ignored: an edit keeps the length of its video")
        if source > MAX_DURATION_S + 0.5 / FPS:
            notes.append(f"the video lasts {source:.1f} s and is cut at {MAX_DURATION_S} s")
        return max(round(min(source, MAX_DURATION_S) * FPS), MIN_DURATION_S * FPS)
    seconds = request.duration or DEFAULT_DURATION_S
    if inputs.voice is not None:
        said = inputs.voice.duration_s
        if request.duration is None:
            seconds = min(max(math.ceil(said), MIN_DURATION_S), MAX_DURATION_S)
        if said > seconds:
            notes.append(f"the voice track lasts {said:.1f} s and is cut at {seconds} s")
    return seconds * FPS


def _sound(request: GenerationRequest, inputs: Inputs, read: Prompt, notes: list[str]) -> Sound:
    if request.no_audio or request.audio == "remove":
        return "remove"
    if inputs.video is None:
        return "make"
    if not inputs.video.has_audio:
        if request.audio == "retain":
            notes.append("audio=retain finds no sound in the video: the clip is silent")
            return "remove"
        return "make"
    if request.audio == "retain":
        return "retain"
    touches = bool(read.lines or "audio" in read.parts)
    notes.append(
        "sound is made anew: the edit speaks of it"
        if touches
        else "sound is kept: the edit does not touch it"
    )
    return "make" if touches else "retain"


def _speech(request: GenerationRequest, read: Prompt, notes: list[str]) -> tuple[tuple[Line, ...], str]:
    """The lines to be said and the language of the clip; the request's language overrules what the text looks like."""
    if request.voice and read.lines:
        notes.append("quoted lines are not spoken: the voice track is")
        return (), request.language or read.language
    if request.language is None:
        return read.lines, read.lines[0].language if read.lines else read.language
    spoken = request.language
    lines = (
        replace(line, language=spoken, seconds=seconds_to_say(line.text, spoken))
        if line.language != spoken
        else line
        for line in read.lines
    )
    return tuple(lines), spoken


def _needed_s(lines: tuple[Line, ...]) -> float:
    return sum(line.seconds for line in lines)


def _check_speech(
    lines: tuple[Line, ...], language: str, capabilities: Capabilities, *, seconds: float
) -> None:
    if not lines:
        return
    for code in (language, *(line.language for line in lines)):
        if code not in capabilities.languages:
            raise _cannot_speak(code, capabilities)
    needed = _needed_s(lines)
    if needed <= seconds:
        return
    whole = math.ceil(needed)
    fix = (
        f"set duration to {whole}, or fit to have it chosen"
        if whole <= capabilities.max_duration_s
        else "shorten them or split the clip"
    )
    first = lines[0].text if len(lines[0].text) <= 40 else f"{lines[0].text[:37]}..."
    text = f"the spoken lines need {needed:.1f} s and the clip lasts {seconds:g} s (first line: {first!r}); {fix}"
    raise InvalidRequest(text, field="prompt")


def _note_the_rest(
    request: GenerationRequest,
    capabilities: Capabilities,
    read: Prompt,
    notes: list[str],
) -> None:
    if request.negative_prompt and capabilities.negative_prompt is None:
        notes.append("negative_prompt is not used: the network takes one prompt and no guidance pass")
    if not request.negative_prompt and capabilities.negative_prompt is not None:
        notes.append(
            "no negative_prompt was given: our own is used, which is not the one the weights were published with"
        )
    if capabilities.cost.source:
        notes.append(f"the time is counted from {capabilities.cost.source}")
    if capabilities.rewrites_prompt:
        notes.append(
            "the prompt is put into the form the network was trained on, by rules or by the operator's language model; nothing is added to what is said"
        )
    if request.mode == "i2v" and request.prompt.strip() and not read.num_words:
        notes.append("prompt has no words and is not used; the image alone decides")
    if capabilities.vocabulary is not None:
        unknown, near = judge(read, capabilities.vocabulary, capabilities.stand_ins)
        if unknown:
            notes.append(f"not in {capabilities.engine}'s world: {', '.join(unknown)}")
        if near:
            drawn = ", ".join(f"{word} as {instead}" for word, instead in near.items())
            notes.append(f"drawn as the nearest thing in {capabilities.engine}'s world: {drawn}")

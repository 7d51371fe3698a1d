"""What an engine is: its capabilities as data, its progress, and the three methods that turn a plan into a file.

The planner (`plan.py`) reads only Capabilities, so planning needs no engine object, no weights and no torch. To stop a
run, the progress callback raises `errors.Canceled`; the engine lets it pass and leaves no file behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from happyhorse.request import MAX_REFERENCES, Mode, Output
from happyhorse.shapes import MAX_DURATION_S

if TYPE_CHECKING:
    from happyhorse.engines.plan import Plan
    from happyhorse.engines.take import Take

Stage = Literal["prepare", "base", "refine", "decode", "finish"]
STAGES: tuple[Stage, ...] = ("prepare", "base", "refine", "decode", "finish")


@dataclass(frozen=True)
class Progress:
    """One report from a running engine.

    `step` of `num_steps` counts inside the stage; `fraction` in [0, 1] covers the whole run and never goes back; `eta_s` is
    None until there is a measured step to judge by.
    """

    stage: Stage
    step: int
    num_steps: int
    fraction: float
    eta_s: float | None = None
    preview: bytes | None = None
    """Now and then, a JPEG of PREVIEW_SIDE at most: a frame of the clip as it will be."""


PREVIEW_SIDE = 240
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Cost:
    """How long and how much memory a run takes on the machine the figures were measured on.

    seconds = load_s + token_step_s * tokens * num_steps + decode_s_per_mpx * megapixels decoded at base size
            + encode_s_per_mpx * megapixels written
    bytes   = resident_bytes + bytes_per_token * tokens + bytes_per_pixel * pixels of one written frame
    """

    load_s: float = 0.0
    token_step_s: float = 0.0
    decode_s_per_mpx: float = 0.0
    encode_s_per_mpx: float = 0.0
    resident_bytes: int = 0
    bytes_per_token: int = 0
    bytes_per_pixel: int = 0
    source: str = ""
    """Whose figures the seconds are, where they are not measured by us."""


# USD per second of clip. 720P and 1080P: the published sheet (product.md 7). 480P has no published price: half of 720P,
# rounded up, in line with its pixel count.
DEFAULT_PRICES: Mapping[str, float] = {"480P": 0.091, "720P": 0.182, "1080P": 0.312}


@dataclass(frozen=True)
class Refinement:
    """A second pass over a clip's latents at a larger size."""

    network: str
    sizes: Mapping[str, tuple[int, int]]
    """ratio -> (width, height) in pixels."""
    num_steps: int
    token_step_s: float
    """Seconds for one token and step, as `Cost.token_step_s`."""


@dataclass(frozen=True)
class Forward:
    """Another server that makes the clips, and how it is spoken to."""

    address: str
    """Scheme, host and perhaps a prefix; no key."""
    dialect: Literal["dashscope", "replicate"]
    models: Mapping[Mode, str]
    least_references: int = 1
    """Fewer images than this would be another mode there."""
    takes_watermark: bool = True


@dataclass(frozen=True)
class Capabilities:
    """Everything the planner may know of an engine. Plain data: no callables, no paths to weights."""

    engine: str
    weights_id: str
    weights_hash: str
    modes: frozenset[Mode]
    languages: frozenset[str]
    resolutions: tuple[str, ...]
    base_sizes: Mapping[str, tuple[int, int]]
    """ratio -> (width, height) in pixels of the denoised picture, before it is brought to the output size; empty for an
    engine that draws at the output size and has no latents."""
    num_steps: int
    sampler: str
    max_references: int = MAX_REFERENCES
    max_duration_s: int = MAX_DURATION_S
    text_tokens: int = 0
    """Rows of the packed sequence that the prompt takes, padding included."""
    phonemes_per_s: float = 0.0
    """Further rows for each second of clip, for the speech."""
    voice_track: bool = False
    """Whether a sound file can drive the speech."""
    speaks: bool = True
    """False for an engine that does not say the lines, so that none is refused for its length or language."""
    refinements: Mapping[str, Refinement] = field(default_factory=dict)
    """resolution -> the pass that follows the base pass; drafts go without."""
    first_frame_note: str = ""
    """What a user should know before giving a first frame; empty for nothing."""
    several_faces_note: str = "say in the prompt which of them speaks or acts"
    """What becomes of a first frame with more than one face."""
    proven_ratios: frozenset[str] | None = None
    """Ratios whose sizes the model's makers vouch for; None for all."""
    extra_audio_latents: int = 0
    """Audio latents a clip has beyond one for each frame."""
    negative_prompt: str | None = None
    """What guidance leads away from when the request does not say; None for an engine without guidance."""
    rewrites_prompt: bool = False
    """Whether the network reads the prompt in a form of its own."""
    cost: Cost = field(default_factory=Cost)
    price_per_second: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_PRICES))
    vocabulary: frozenset[str] | None = None
    """Lower-case words the engine can draw; None when the engine does not say."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """Lower-case words and phrases for which the engine draws something near -> what it draws."""
    jobs_at_once: int = 1
    """How many one worker runs beside each other."""
    forward: Forward | None = None
    """Where requests are sent by an engine that makes nothing itself."""


class Engine(Protocol):
    """Runs plans in three parts, so that a durable job can stop between them."""

    @property
    def capabilities(self) -> Capabilities: ...

    def denoise(self, plan: Plan, *, on_progress: OnProgress) -> Take:
        """Stages prepare and base: decide the clip. Raises: as `render`."""
        ...

    def refine(self, plan: Plan, take: Take, *, on_progress: OnProgress) -> Take:
        """Stage refine: the take after the plan's second pass; the very same take when the plan has none. Raises: as `render`."""
        ...

    def render(self, plan: Plan, take: Take, output: Path, *, on_progress: OnProgress) -> Output:
        """Stages decode and finish: write the clip of a take that went through `refine` to `output` (temporary name, then
        renamed) and describe it.

        Raises: Canceled when on_progress raises it; MediaError for an input that fails while it is read; EngineError else.
        """
        ...


class OnePass:
    """What an engine without a second pass inherits."""

    def refine(self, plan: Plan, take: Take, *, on_progress: OnProgress) -> Take:  # noqa: ARG002  the protocol's
        """Return the take as it is."""
        return take

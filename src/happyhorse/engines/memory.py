"""How the parts of the 15 B engine are arranged on a GPU, so that every stage of a clip fits. Torch-free.

    resident        every part stays on the GPU
    lean encoder    the same, but the text encoder is on the CPU
    resident fp8    every part stays on the GPU, networks in eight bits
    fp8             the same, but the text encoder is on the CPU
    swapped         the part of one stage at a time
    swapped fp8     the same, networks in eight bits, the text encoder on the CPU
    streamed        networks stay in host memory, two layers of them on the GPU at a time; the text encoder on the CPU
    streamed fp8    the same, networks in eight bits

The first under which a clip fits is taken, so the order is that of speed: first what loads nothing for a clip, then what
loads each network once, then what copies it for each step. In all of them pictures may be drawn in strips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from happyhorse.engines.footprint import (
    AUDIO_VAE_BYTES,
    COMPILED_BYTES,
    CONTEXT_BYTES,
    ENCODE_BYTES_PER_PIXEL,
    GB,
    GRAPH_ROWS,
    MAX_STRIPS,
    RECORDING_BYTES,
    TEXT_ENCODER_BYTES,
    TURBO_VAE_BYTES,
    WAN_VAE_BYTES,
    NetworkBytes,
    activation_bytes,
    decode_bytes,
    flex_bytes,
    graph_bytes,
    least_strips,
    outer_bytes,
    slots_bytes,
)
from happyhorse.engines.plan import Plan
from happyhorse.errors import OutOfMemory
from happyhorse.model.config import PRESETS, ModelConfig

Strategy = Literal[
    "resident", "lean encoder", "resident fp8", "fp8", "swapped", "swapped fp8", "streamed", "streamed fp8"
]

Stored = Mapping[str, NetworkBytes]
"""What the networks that are here take when they are loaded, by name. Others are counted as they are published."""
NOTHING_STORED: Stored = MappingProxyType({})

_WINDOWED = "1080p_sr"
_FIRST_FRAME = "first frame"
LEANER = 0.8
"""What a plan may need at most of one that failed."""


@dataclass(frozen=True)
class Arrangement:
    """Where the weights are. What is neither `kept` on the GPU nor streamed is loaded for its stage and let go after it."""

    name: Strategy
    kept: bool = False
    streamed: bool = False
    fp8: bool = False
    encoder_on_cpu: bool = True

    def meaning(self, stored_fp8: Sequence[str]) -> str:
        """Where networks and text encoder are, in words; some networks may be in eight bits as they are stored."""
        held = "all of them stay on the GPU" if self.kept else "on the GPU in their turn"
        if self.streamed:
            held = "in host memory, two layers at a time on the GPU"
        bits, encoder = "eight bits" if self.fp8 else "bf16", "CPU" if self.encoder_on_cpu else "GPU"
        if stored_fp8 and not self.fp8:
            bits += f" ({', '.join(stored_fp8)} in eight bits, as stored)"
        return f"networks in {bits}, {held}; text encoder on the {encoder}"


ARRANGEMENTS = (
    Arrangement("resident", kept=True, encoder_on_cpu=False),
    Arrangement("lean encoder", kept=True),
    Arrangement("resident fp8", kept=True, fp8=True, encoder_on_cpu=False),
    Arrangement("fp8", kept=True, fp8=True),
    Arrangement("swapped", encoder_on_cpu=False),
    Arrangement("swapped fp8", fp8=True),
    Arrangement("streamed", streamed=True),
    Arrangement("streamed fp8", streamed=True, fp8=True),
)


def arrangement(name: str) -> Arrangement:
    """Look one up."""
    return next(each for each in ARRANGEMENTS if each.name == name)


@dataclass(frozen=True)
class Computing:
    """How networks compute, as far as that takes memory: in eight bits where their weights are, and sped up in these ways."""

    fp8_products: bool = False
    compile: bool = False
    flex: bool = False
    graphs: bool = False


PLAINLY = Computing()


@dataclass(frozen=True)
class StageMemory:
    """What is on the GPU during one stage; `host_bytes` of the weights that it runs on are in host memory."""

    stage: str
    weights_bytes: int
    activation_bytes: int
    host_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.activation_bytes


@dataclass(frozen=True)
class MemoryPlan:
    """How the parts are arranged, in how many strips pictures are drawn, and what each stage then takes.

    Networks of `stored_fp8` are in eight bits in every arrangement.
    """

    arrangement: Arrangement
    strips: int
    stages: tuple[StageMemory, ...]
    stored_fp8: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """Where networks and text encoder are, in words."""
        return self.arrangement.meaning(self.stored_fp8)

    @property
    def worst(self) -> StageMemory:
        """The stage that takes the most."""
        return max(self.stages, key=lambda stage: stage.total_bytes)

    @property
    def peak_bytes(self) -> int:
        """The most at one time."""
        return CONTEXT_BYTES + self.worst.total_bytes

    def figures(self, free_bytes: int) -> str:
        """Say what was planned."""
        worst, strips = self.worst, f", pictures in {self.strips} strips" if self.strips > 1 else ""
        return (
            f"{self.arrangement.name}{strips}, at most {self.peak_bytes / GB:.1f} GB of {free_bytes / GB:.1f} GB free (stage "
            f"{worst.stage}: weights {worst.weights_bytes / GB:.1f}, activations {worst.activation_bytes / GB:.1f})"
        )


def plan_memory(
    plan: Plan,
    free_bytes: int,
    *,
    total_bytes: int | None = None,
    ranks: int = 1,
    fp8: bool = False,
    computing: Computing = PLAINLY,
    stored: Stored = NOTHING_STORED,
    failed: MemoryPlan | None = None,
) -> MemoryPlan:
    """Choose the first arrangement under which a clip fits, with as few strips as will do; with `fp8` one in eight bits.

    Networks that are all stored in eight bits stay so in every arrangement.

    `total_bytes` is the GPU's, for the words of a refusal; with several `ranks` the sequence is shared by as many GPUs. After
    a plan that `failed` the next is to need clearly less. Raises: OutOfMemory saying what the leanest needs and what is free.
    """
    limit = free_bytes if failed is None else min(free_bytes, int(LEANER * failed.peak_bytes))
    used = networks_of(plan).values()
    stored_fp8 = tuple(name for name in used if name in stored and stored[name].is_fp8)
    if len(stored_fp8) == len(used):
        offered = [replace(each, fp8=True) for each in ARRANGEMENTS]
    else:
        offered = [each for each in ARRANGEMENTS if each.fp8 or not fp8]
    for each in offered:
        stages = stages_of(plan, each, ranks=ranks, computing=computing, stored=stored)
        found = replace(_fitted(plan, stages, each, limit), stored_fp8=stored_fp8)
        if found.peak_bytes <= limit:
            return found
    if failed is not None:
        raise OutOfMemory(f"no arrangement is leaner than {failed.arrangement.name}")
    worst, drawn = found.worst, drawn_size(plan)
    held = "" if total_bytes is None else f" of {total_bytes / GB:.1f}; other processes hold the rest"
    raise OutOfMemory(
        f"{plan.engine} needs {found.peak_bytes / GB:.1f} GB of GPU memory for {plan.duration_s:g} s drawn at "
        f"{drawn[0]}x{drawn[1]} (stage {worst.stage}: weights {worst.weights_bytes / GB:.1f}, activations "
        f"{worst.activation_bytes / GB:.1f}) and {free_bytes / GB:.1f} GB are free{held}"
    )


def networks_of(plan: Plan) -> dict[str, str]:
    """The network of each pass; guidance, which leads away from a negative prompt, is the base network's."""
    refine = {"refine": plan.refine.network} if plan.refine else {}
    return {"base": "base" if plan.negative_prompt else "distill", **refine}


def drawn_size(plan: Plan) -> tuple[int, int]:
    """Width and height of the pictures that are decoded."""
    return (plan.refine.width, plan.refine.height) if plan.refine else (plan.base_width, plan.base_height)


def stages_of(
    plan: Plan,
    arrangement: Arrangement,
    *,
    ranks: int = 1,
    config: ModelConfig = PRESETS["15b"],
    computing: Computing = PLAINLY,
    stored: Stored = NOTHING_STORED,
) -> tuple[StageMemory, ...]:
    """Return every stage of one clip, decoding the whole picture at once.

    What is kept on the GPU counts in all of them, what encodes a first frame too: the next clip may have one.
    """
    width, height = drawn_size(plan)
    passes = {"base": plan.tokens} | ({"refine": plan.refine.tokens} if plan.refine else {})
    published = NetworkBytes.published(config)
    networks = {
        stage: stored.get(name, published).count(fp8=arrangement.fp8)
        for stage, name in networks_of(plan).items()
    }
    on_gpu = not arrangement.encoder_on_cpu
    weights = {
        "text": TEXT_ENCODER_BYTES if on_gpu else 0,
        _FIRST_FRAME: WAN_VAE_BYTES,
        **(dict.fromkeys(passes, 0) if arrangement.streamed else networks),
        "decode": TURBO_VAE_BYTES + AUDIO_VAE_BYTES,
    }
    tensors = {
        "text": activation_bytes(config, plan.tokens.text) // 8 if on_gpu else 0,
        _FIRST_FRAME: ENCODE_BYTES_PER_PIXEL * width * height,
        **{
            stage: activation_bytes(
                config,
                tokens.total,
                ranks=ranks,
                fp8_products=arrangement.fp8 and computing.fp8_products,
            )
            for stage, tokens in passes.items()
        },
        "decode": decode_bytes((width, height)),
    }
    always = 0
    if arrangement.kept:
        always, weights = sum(weights.values()), dict.fromkeys(weights, 0)
    if arrangement.streamed:
        always = slots_bytes(config, fp8=arrangement.fp8) + len(passes) * outer_bytes(config)
    if computing.graphs and arrangement.kept and ranks == 1 and not plan.negative_prompt:
        recorded = [stage for stage, tokens in passes.items() if tokens.total <= GRAPH_ROWS]
        tensors |= {stage: tensors[stage] + graph_bytes(config, passes[stage]) for stage in recorded}
        always += RECORDING_BYTES if recorded else 0
    always += _lasting_bytes(plan, computing)
    on_host = {} if on_gpu else {"text": TEXT_ENCODER_BYTES}
    if arrangement.streamed:
        on_host |= networks
    return tuple(
        StageMemory(stage, always + weights[stage], tensors[stage], on_host.get(stage, 0))
        for stage in weights
        if stage != _FIRST_FRAME or plan.image is not None
    )


def _lasting_bytes(plan: Plan, computing: Computing) -> int:
    """What compiled layers and flex attention keep on the GPU from stage to stage."""
    code = COMPILED_BYTES if computing.compile else 0
    if computing.flex and plan.refine is not None and plan.refine.network == _WINDOWED:
        return code + flex_bytes(plan.refine.tokens.total)
    return code


def _fitted(
    plan: Plan, stages: tuple[StageMemory, ...], arrangement: Arrangement, free_bytes: int
) -> MemoryPlan:
    """Draw in as few strips as the kernels allow and as make decoding fit."""
    *others, decode = stages
    for strips in range(least_strips(drawn_size(plan)), MAX_STRIPS + 1):
        drawing = replace(decode, activation_bytes=decode_bytes(drawn_size(plan), strips=strips))
        found = MemoryPlan(arrangement, strips, (*others, drawing))
        if CONTEXT_BYTES + drawing.total_bytes <= free_bytes:
            break
    return found

"""How a clip of the 15 B engine is arranged on a GPU: the fastest way that fits, as measured, or a refusal with figures."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from measured import peak_bytes
from torch.overrides import TorchFunctionMode

from happyhorse.bench.magihuman import BENCH_PRESETS
from happyhorse.engines.catalog import MAGIHUMAN
from happyhorse.engines.catalog_magihuman import MAGIHUMAN_BASE
from happyhorse.engines.footprint import (
    COMPILED_BYTES,
    CONTEXT_BYTES,
    GB,
    GRAPH_ROWS,
    LARGEST_TENSOR,
    RECORDING_BYTES,
    flex_bytes,
    graph_bytes,
    least_strips,
    outer_bytes,
)
from happyhorse.engines.memory import ARRANGEMENTS, PLAINLY, Computing, arrangement, plan_memory, stages_of
from happyhorse.engines.passes import Tokens
from happyhorse.engines.plan import plan
from happyhorse.errors import OutOfMemory
from happyhorse.model import transformer
from happyhorse.model.config import PRESETS
from happyhorse.model.pack import pack
from happyhorse.model.random_weights import open_random, random_network
from happyhorse.model.stream import Slots, load_on_host, stream_blocks
from happyhorse.model.turbo_vae import TurboVae, TurboVaeConfig
from happyhorse.request import parse_request
from happyhorse.shapes import MediaInfo

TINY, CPU = BENCH_PRESETS["tiny"], torch.device("cpu")
DRAFT, SMALL, LARGE = {"draft": True}, {"resolution": "480P"}, {"resolution": "1080P"}
NAMES = {256: DRAFT, 540: SMALL, 1080: LARGE}


def clip(fields, capabilities=MAGIHUMAN):
    """A plan of 5 s."""
    return plan(parse_request({"prompt": "A cat.", "seed": 1, **fields}), capabilities, media={})


_slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("streamed", DRAFT),
        pytest.param("streamed fp8", DRAFT, marks=_slow),
        pytest.param("streamed", LARGE, marks=_slow),
        pytest.param("swapped", LARGE, marks=_slow),
        pytest.param("swapped fp8", DRAFT, marks=_slow),
    ],
)
def test_a_stage_takes_what_was_planned(name, fields, monkeypatch):
    monkeypatch.setattr(transformer, "SCORES_IN_CACHE", 0)  # the fused attention, as on a GPU
    made, chosen = clip(fields, TINY.capabilities), arrangement(name)
    last = made.refine or made
    planned = next(
        stage.total_bytes
        for stage in stages_of(made, chosen, config=TINY.config)
        if stage.stage == ("refine" if made.refine else "base")
    )
    grid = last.latent
    sequence = pack(
        TINY.config,
        video=torch.randn(1, 48, grid.frames, grid.height, grid.width),
        audio=torch.randn(1, last.tokens.audio, 64),
        text=torch.randn(1, last.tokens.text, 96),
    )

    def run():
        model, slots = open_random(TINY.config, device=CPU, fp8=chosen.fp8)[0], None
        if chosen.streamed:
            load_on_host(model, host.items(), device=CPU, pinned=False)
            slots = Slots.of(model, CPU)
            stream_blocks(model, slots)
        else:
            model = random_network(TINY.config, device=CPU, fp8=chosen.fp8)
        model(sequence)

    host = dict(open_random(TINY.config, device=CPU, fp8=chosen.fp8)[1])
    with torch.inference_mode():
        measured = peak_bytes(run)
    if chosen.streamed:  # all but the blocks was there before, for one network or two
        planned -= outer_bytes(TINY.config) * (2 if made.refine else 1)
    assert measured == pytest.approx(planned, rel=0.1)


@pytest.mark.parametrize(
    ("free_gb", "lines", "name", "strips"),
    [
        (8, 256, "streamed", 1),
        (16, 256, "streamed", 1),
        (24, 256, "fp8", 1),
        (40, 256, "lean encoder", 1),
        (80, 256, "resident", 1),
        (12, 540, "streamed", 2),
        (16, 540, "streamed", 1),
        (24, 540, "swapped fp8", 1),
        (48, 540, "fp8", 1),
        (80, 540, "lean encoder", 1),
        (16, 1080, "streamed", 6),
        (24, 1080, "swapped fp8", 2),
        (48, 1080, "fp8", 4),
        (139, 1080, "resident", 2),
    ],
)
def test_parts_are_arranged_as_the_gpu_allows(free_gb, lines, name, strips):
    made = plan_memory(clip(NAMES[lines]), free_gb * GB)
    assert (made.arrangement.name, made.strips) == (name, strips)
    assert made.peak_bytes <= free_gb * GB
    assert made.peak_bytes == CONTEXT_BYTES + max(stage.total_bytes for stage in made.stages)
    assert (f"pictures in {strips} strips" in made.figures(free_gb * GB)) == (strips > 1)


@pytest.mark.parametrize(("free_gb", "lines"), [(16, 256), (24, 540), (48, 1080)])
def test_the_sizes_fit_the_cards_they_are_meant_for_also_without_rounding(free_gb, lines):
    exact = [each for each in ARRANGEMENTS if not each.fp8]
    made = clip(NAMES[lines])
    leanest = min(CONTEXT_BYTES + max(s.total_bytes for s in stages_of(made, each)) for each in exact)
    assert leanest <= free_gb * GB
    assert plan_memory(made, free_gb * GB).peak_bytes <= free_gb * GB


@pytest.mark.parametrize("lines", NAMES)
def test_what_a_plan_says_beforehand_is_what_bf16_networks_that_take_turns_need(lines):
    made = clip(NAMES[lines])
    swapped = [stage for stage in stages_of(made, arrangement("swapped")) if stage.stage != "decode"]
    needed = CONTEXT_BYTES + max(stage.total_bytes for stage in swapped)
    assert made.peak_memory_bytes == pytest.approx(needed, rel=0.05)


@pytest.mark.parametrize(("free_gb", "lines"), [(3, 256), (4, 540), (11, 1080)])
def test_what_does_not_fit_is_refused_with_figures(free_gb, lines):
    figures = rf"magihuman needs \d+\.\d GB .*weights \d+\.\d.* and {free_gb}\.0 GB are free"
    with pytest.raises(OutOfMemory, match=f"{figures}$"):
        plan_memory(clip(NAMES[lines]), free_gb * GB)
    with pytest.raises(OutOfMemory, match=rf"{figures} of 80\.0; other processes hold the rest$"):
        plan_memory(clip(NAMES[lines]), free_gb * GB, total_bytes=80 * GB)


@pytest.mark.parametrize("lines", NAMES)
def test_after_a_failure_clearly_less_is_planned_until_nothing_is_leaner(lines):
    made, said = [plan_memory(clip(NAMES[lines]), 139 * GB)], None
    while said is None:
        try:
            made.append(plan_memory(clip(NAMES[lines]), 139 * GB, failed=made[-1]))
        except OutOfMemory as err:
            said = err.message
    assert said == f"no arrangement is leaner than {made[-1].arrangement.name}"
    assert len(made) > 3
    for before, after in pairwise(made):
        assert after.peak_bytes <= 0.8 * before.peak_bytes
    assert made[-1].arrangement.streamed


def total(made, name, stage, **how):
    stages = stages_of(made, arrangement(name), computing=Computing(**how))
    return next(each.total_bytes for each in stages if each.stage == stage)


@pytest.mark.parametrize(
    ("how", "lines", "name", "stage", "added"),
    [
        ("compile", 256, "streamed", "decode", COMPILED_BYTES),
        ("flex", 1080, "swapped", "refine", flex_bytes(66046)),
        ("flex", 540, "swapped", "refine", 0),
        (
            "graphs",
            540,
            "resident",
            "base",
            RECORDING_BYTES + graph_bytes(PRESETS["15b"], Tokens(3584, 126, 640, 0)),
        ),
        ("graphs", 540, "resident", "refine", RECORDING_BYTES),
        ("graphs", 540, "swapped", "base", 0),
    ],
)
def test_what_speeds_up_is_planned_for_where_it_applies(how, lines, name, stage, added):
    made = clip(NAMES[lines])
    assert made.tokens.total <= GRAPH_ROWS
    assert total(made, name, stage, **{how: True}) - total(made, name, stage) == added


def test_guided_networks_and_several_gpus_record_nothing():
    guided = clip(DRAFT, MAGIHUMAN_BASE)
    assert total(guided, "resident", "base", graphs=True) == total(guided, "resident", "base")
    alone, shared = (
        [stages_of(clip(DRAFT), arrangement("resident"), ranks=4, computing=how) for how in (PLAINLY, Computing(graphs=True))]
    )  # fmt: skip
    assert alone == shared


def test_a_plan_that_no_longer_fits_with_its_speedups_is_a_leaner_one():
    made = clip(DRAFT)
    just_enough = CONTEXT_BYTES + total(made, "resident", "base") + 1
    assert plan_memory(made, just_enough).arrangement.name == "resident"
    faster = plan_memory(made, just_enough, computing=Computing(graphs=True))
    assert faster.arrangement.name == "lean encoder"


def test_products_in_eight_bits_are_planned_for_where_weights_are():
    made = clip(LARGE)
    weights, products = (total(made, "swapped fp8", "refine", fp8_products=each) for each in (False, True))
    assert weights < products < 1.05 * weights
    assert total(made, "swapped", "refine", fp8_products=True) == total(made, "swapped", "refine")


def test_eight_bits_can_be_chosen_where_there_is_room():
    assert plan_memory(clip(SMALL), 139 * GB, fp8=True).arrangement.name == "resident fp8"
    assert plan_memory(clip(SMALL), 8 * GB, fp8=True).arrangement.name == "streamed fp8"


def test_several_gpus_share_the_sequence_but_not_the_weights():
    free_bytes = 80 * GB
    stages = [
        {stage.stage: stage for stage in stages_of(clip(LARGE), arrangement("swapped"), ranks=ranks)}
        for ranks in (1, 4)
    ]
    assert stages[1]["refine"].activation_bytes < 0.6 * stages[0]["refine"].activation_bytes
    assert stages[1]["refine"].weights_bytes == stages[0]["refine"].weights_bytes
    assert stages[1]["decode"] == stages[0]["decode"]
    assert plan_memory(clip(LARGE), free_bytes, ranks=4).peak_bytes <= free_bytes


def test_a_first_frame_is_a_stage_of_clips_that_have_one_and_its_weights_stay_for_the_next():
    made = clip(DRAFT)
    picture = MediaInfo("image", "in.png", "png", "png", 1000, "0" * 64, 640, 360)
    with_one, without = (
        {stage.stage: stage for stage in stages_of(each, arrangement("resident"))}
        for each in (replace(made, image=picture), made)
    )
    assert with_one.keys() - without.keys() == {"first frame"}
    assert with_one["base"] == without["base"]


class Largest(TorchFunctionMode):
    """Counts the values of the largest tensor that is made while it is entered."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            with torch._C.DisableTorchFunction():
                self.numel = max(self.numel, found.numel())
        return found


@pytest.mark.parametrize(("width", "height", "strips"), [(896, 512, 1), (1920, 1088, 2), (1088, 1920, 2)])
def test_no_tensor_of_a_decoded_window_is_too_large_for_the_kernels(width, height, strips):
    assert least_strips((width, height)) == strips
    with torch.device("meta"):
        decoder = TurboVae(TurboVaeConfig()).decoder
        window = torch.empty(1, 48, 9, height // 16, width // 16)

    def largest(count):
        with Largest() as largest, torch.inference_mode():
            decoder(window, is_first=False, strips=count)
        return largest.numel

    assert largest(strips) < LARGEST_TENSOR
    if strips > 1:
        assert largest(strips - 1) > LARGEST_TENSOR

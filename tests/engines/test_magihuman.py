"""The 15 B engine on a random release: every stage runs, in the planned sizes; what it cannot do is refused in the plan."""

import re
import wave
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from ranked import run_ranks
from tiny_magihuman import CONFIG, DISTILLED, GUIDED, random_network, tiny_engine

from happyhorse.engines import magihuman_arrange, magihuman_load, magihuman_stored
from happyhorse.engines.catalog import MAGIHUMAN
from happyhorse.engines.catalog_magihuman import BASE_SIZES
from happyhorse.engines.footprint import COMPILED_BYTES, GB, NetworkBytes
from happyhorse.engines.magihuman import MagiHumanEngine
from happyhorse.engines.magihuman_arrange import Arranger, NetworkLoader
from happyhorse.engines.magihuman_load import open_engine
from happyhorse.engines.magihuman_stored import stored_bytes
from happyhorse.engines.memory import ARRANGEMENTS, arrangement, plan_memory, stages_of
from happyhorse.engines.plan import plan
from happyhorse.engines.rewrite import Rewriter
from happyhorse.engines.run import draw
from happyhorse.engines.take import Take
from happyhorse.errors import Canceled, EngineError, MediaError, OutOfMemory, Unsupported, WeightsMissing
from happyhorse.hub.parts import PARTS
from happyhorse.hub.store import WeightStore
from happyhorse.media.read import decode_audio, decode_frame, probe
from happyhorse.media.write import encode
from happyhorse.model.compiled import CompiledAttention
from happyhorse.model.convert import convert_network
from happyhorse.model.flex import attend_flexibly
from happyhorse.model.follow import follow, lead
from happyhorse.model.fp8_products import Fp8Product
from happyhorse.model.pack import pack
from happyhorse.model.parts import Parts
from happyhorse.model.pictures import first_frame
from happyhorse.model.release import networks_of
from happyhorse.model.speedups import Speedups
from happyhorse.model.stream import Slots, stream_blocks
from happyhorse.model.transformer import Transformer, cast_block_linears
from happyhorse.model.turbo_vae import TurboVae
from happyhorse.request import parse_request
from happyhorse.shapes import RATIOS, SAMPLE_RATE, output_size, ratio_value

PROMPT = "A woman stands in a kitchen, static camera, rain."


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return tiny_engine(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def guided(tmp_path_factory):
    return tiny_engine(tmp_path_factory.mktemp("text"), GUIDED)


def decided(capabilities=DISTILLED, media=None, **fields):
    values = {"prompt": PROMPT, "duration": 3, "resolution": "480P", "seed": 5, **fields}
    paths = [values[name] for name in ("image", "voice") if name in values]
    made = plan(parse_request(values), capabilities, media={str(path): probe(Path(path)) for path in paths})
    return (
        made if made.draft else replace(made, width=64, height=36)
    )  # what is drawn is small, what is written too


def make(engine, path, on_progress=lambda _: None, **fields):
    made = decided(engine.capabilities, **fields)
    take = engine.denoise(made, on_progress=on_progress)
    return draw(engine, made, take, path, on_progress=on_progress), take


def test_a_clip_has_the_planned_size_length_and_stages(engine, tmp_path):
    reports = []
    clip, take = make(engine, tmp_path / "a.mp4", reports.append)
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height, info.num_frames, info.has_audio) == (64, 36, 75, True)
    assert (clip.base_width, clip.base_height, clip.weights_hash) == (
        32,
        32,
        "distill+text_encoder+audio_vae+turbo_vae+540p_sr",
    )
    assert take.latents["video"].shape == (1, 48, 20, 2, 2)
    assert take.latents["audio"].shape == (1, 77, 64)
    assert [r.step for r in reports if r.stage == "base"] == list(range(1, 9))
    assert [r.step for r in reports if r.stage == "refine"] == [1, 2]
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


@pytest.mark.slow
def test_the_seed_decides_the_take_and_the_take_the_clip(engine, tmp_path):
    _, take = make(engine, tmp_path / "a.mp4")
    _, again = make(engine, tmp_path / "b.mp4")
    other = engine.denoise(decided(seed=6), on_progress=lambda _: None)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert all(np.array_equal(take.latents[name], again.latents[name]) for name in take.latents)
    assert np.abs(take.latents["video"] - other.latents["video"]).mean() > 0.1


@pytest.mark.slow
def test_a_draft_is_the_base_pass_and_can_be_refined_later(engine, tmp_path):
    draft, take = make(engine, tmp_path / "draft.mp4", draft=True)
    assert (draft.width, draft.height) == (32, 32)
    make(engine, tmp_path / "whole.mp4")
    draw(engine, decided(), take, tmp_path / "later.mp4", on_progress=lambda _: None)
    assert (tmp_path / "later.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_every_tier_runs_its_own_network(engine):
    take = engine.denoise(decided(), on_progress=lambda _: None)
    small, large = (
        engine.refine(decided(resolution=name), take, on_progress=lambda _: None).latents["video"]
        for name in ("720P", "1080P")
    )
    assert np.abs(small - large).mean() > 0.01


def test_a_refined_take_is_kept_as_bytes_and_drawn_without_a_second_refinement(engine, tmp_path):
    made, reports = decided(), []
    take = engine.denoise(made, on_progress=lambda _: None)
    refined = engine.refine(made, take, on_progress=reports.append)
    assert {report.stage for report in reports} == {"refine"}
    assert refined.latents["video"].shape == (1, 48, 20, 2, 4)
    kept = Take.from_bytes(refined.to_bytes())
    reports.clear()
    engine.render(made, kept, tmp_path / "kept.mp4", on_progress=reports.append)
    assert {report.stage for report in reports} == {"decode", "finish"}
    draw(engine, made, take, tmp_path / "at_once.mp4", on_progress=lambda _: None)
    assert (tmp_path / "kept.mp4").read_bytes() == (tmp_path / "at_once.mp4").read_bytes()


def test_a_take_is_refined_once_and_a_draft_not_at_all(engine, tmp_path):
    made, show = decided(), lambda _: None
    take = engine.denoise(made, on_progress=show)
    assert engine.refine(decided(draft=True), take, on_progress=show) is take
    sizes = r"latents of \(20, 2, {}\); the plan needs \(20, 2, {}\)"
    with pytest.raises(EngineError, match=sizes.format(2, 4)):
        engine.render(made, take, tmp_path / "a.mp4", on_progress=show)
    refined = engine.refine(made, take, on_progress=show)
    with pytest.raises(EngineError, match=sizes.format(4, 2)):
        engine.refine(made, refined, on_progress=show)
    assert list(tmp_path.iterdir()) == []


def test_the_first_frame_is_the_users_picture_at_both_sizes(engine, tmp_path):
    path = tmp_path / "in.png"
    gradient = np.linspace(0, 255, 640 * 360 * 3).reshape(360, 640, 3).astype(np.uint8)
    Image.fromarray(gradient).save(path)
    made = decided(image=str(path))
    take, parts = engine.denoise(made, on_progress=lambda _: None), engine.release.arrange(None)
    with parts.use("wan_vae", torch.nn.Module) as vae, torch.inference_mode():
        small = vae.encode(first_frame(gradient, size=(32, 32)))
        large = vae.encode(first_frame(gradient, size=(64, 32)))
    refined = engine.refine(made, take, on_progress=lambda _: None).latents["video"]
    np.testing.assert_allclose(take.latents["video"][:, :, :1], small.numpy(), atol=1e-5)
    np.testing.assert_array_equal(refined[:, :, :1], large.numpy())


def speech(path, *, loud=0.05):
    seconds = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    sound = (loud * np.sin(2 * np.pi * 220 * seconds) * (np.sin(8 * seconds) > 0)).astype(np.float32)
    frame = np.zeros((64, 64, 3), np.uint8)
    encode(path, [frame] * 75, size=(64, 64), audio=np.stack([sound, sound]), metadata={}, as_is=True)
    return sound


@pytest.mark.slow
@pytest.mark.parametrize("name", ["engine", "guided"])
def test_a_voice_comes_back_as_it_was_and_decides_the_picture(name, request, tmp_path):
    engine = request.getfixturevalue(name)
    sound = speech(tmp_path / "voice.mp4")
    _, take = make(engine, tmp_path / "a.mp4", voice=str(tmp_path / "voice.mp4"))
    other = engine.denoise(decided(engine.capabilities), on_progress=lambda _: None)
    heard = decode_audio(tmp_path / "a.mp4")[0, : len(sound)]
    assert np.corrcoef(heard, sound[: len(heard)])[0, 1] > 0.99
    assert np.abs(heard).max() == pytest.approx(0.05, rel=0.2)
    assert take.latents["audio"].shape == (1, 77, 64)
    assert np.abs(take.latents["video"] - other.latents["video"]).mean() > 0.01


def test_a_silent_voice_is_refused_in_the_plan(tmp_path):
    speech(tmp_path / "voice.mp4", loud=0)
    with pytest.raises(
        MediaError, match=r"voice is silent in its first 3\.00 s, all that is played; it must hold"
    ):
        decided(voice=str(tmp_path / "voice.mp4"))


def test_a_clip_says_that_its_prompt_was_written_by_rules_after_all(engine, tmp_path):
    away = Rewriter("http://127.0.0.1:9/v1", "small-1")
    clip, take = make(
        MagiHumanEngine(DISTILLED, engine.release, rewriter=away), tmp_path / "a.mp4", draft=True
    )
    assert clip.notes[-1].startswith("the prompt was put into the network's form by rules: ")
    assert Take.from_bytes(take.to_bytes()).notes == {"prompt": clip.notes[-1]}
    plain = engine.denoise(decided(draft=True), on_progress=lambda _: None)
    assert plain.notes == {}
    assert np.array_equal(plain.latents["text"], take.latents["text"])


def test_a_clip_says_what_of_its_prompt_was_not_read(engine, tmp_path):
    prompt = f"{'rain ' * 700}\n\nDialogue:\nnone\n\nBackground Sound:\n<rain>"
    clip, take = make(engine, tmp_path / "a.mp4", prompt=prompt, draft=True)
    assert take.latents["text"].shape[1] == 640
    lost = len(prompt) - 640 * len("rain ")
    said = f"the network read 640 tokens of the prompt as it was written out; its last {lost} characters are lost"
    assert take.notes["cut"].startswith(said)
    assert clip.notes[-1] == take.notes["cut"]


def test_a_clip_says_what_of_its_negative_prompt_was_not_read(guided):
    made = decided(GUIDED, negative_prompt="rain " * 700, draft=True)
    said = "the network read 640 tokens of the negative prompt; its last 299 characters are lost, from 'rain"
    assert guided.denoise(made, on_progress=lambda _: None).notes["cut"].startswith(said)


def test_a_clip_says_which_of_its_networks_were_rounded(tmp_path):
    engine = tiny_engine(tmp_path)
    loaders = engine.release.arrange(None).loaders
    for name in ("distill", "540p_sr"):
        loaders[name] = partial(noted, loaders[name], f"{name} is rounded")
    clip, take = make(engine, tmp_path / "a.mp4")
    assert take.notes == {"weights": "distill is rounded"}
    assert clip.notes[-2:] == ("distill is rounded", "540p_sr is rounded")
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.metadata["engine_notes"] == "distill is rounded; 540p_sr is rounded"


def noted(load, note):
    model = load()
    model.note = note
    return model


def test_guidance_leads_away_from_the_negative_prompt(guided):
    plans = [decided(GUIDED, **fields) for fields in ({}, {"negative_prompt": "blurry rain"})]
    takes = [guided.denoise(made, on_progress=lambda _: None) for made in plans]
    assert np.abs(takes[0].latents["video"] - takes[1].latents["video"]).mean() > 0.001
    assert any("our own is used" in note for note in decided(GUIDED).notes)
    assert decided(GUIDED, negative_prompt="rain").negative_prompt == "rain"
    assert any("negative_prompt is not used" in note for note in decided(negative_prompt="rain").notes)


def test_cancel_within_a_step_leaves_no_file(engine, tmp_path):
    def stop(report):
        if report.stage == "refine":
            raise Canceled

    with pytest.raises(Canceled):
        make(engine, tmp_path / "a.mp4", stop)
    assert list(tmp_path.iterdir()) == []


def clip_over_ranks(ranks, folder):
    """Rank 0 makes a clip with networks that the others follow."""
    if ranks.rank:
        follow(
            lambda name, _: random_network(networks_of(CONFIG)[name].config, name), ranks, kept={"resident"}
        )
        return
    engine = tiny_engine(folder)
    loaders = engine.release.arrange(None).loaders
    for name in ("distill", "540p_sr"):
        plain = loaders[name]
        loaders[name] = lambda name=name, plain=plain: lead(
            plain(), ranks, network=name, arrangement="resident"
        )
    _, take = make(engine, folder / "a.mp4")
    (folder / "take").write_bytes(take.to_bytes())
    ranks.end()


@pytest.mark.slow
def test_a_clip_over_two_processes_is_that_of_one(engine, tmp_path):
    run_ranks(clip_over_ranks, 2, tmp_path)
    found = Take.from_bytes((tmp_path / "take").read_bytes())
    alone = engine.denoise(decided(), on_progress=lambda _: None)
    for name in ("video", "audio"):
        np.testing.assert_allclose(found.latents[name], alone.latents[name], atol=1e-4)
    assert probe(tmp_path / "a.mp4").num_frames == 75


class TinyArranger(Arranger):
    """Chooses as the real one does; the parts are tiny."""

    def __init__(self, folder, loaders, ranks=None):
        super().__init__(WeightStore(folder), {part.name: part for part in PARTS}, torch.device("cpu"), ranks)
        self.loaders = loaders

    def _loaders(self, _loader):
        return self.loaders


@pytest.fixture
def arranged(engine, tmp_path, monkeypatch):
    """The engine on a GPU with much memory, as far as its arranger can tell."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (140_000_000_000, 141_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    arranger = TinyArranger(tmp_path, engine.release.arrange(None).loaders)
    return MagiHumanEngine(DISTILLED, replace(engine.release, arrange=arranger))


class Full:
    """Fails for lack of memory, `times` times, with tensors in hand; then does what it stands for."""

    def __init__(self, monkeypatch, owner, name, *, times):
        self.true, self.left, self.held, self.still_held = getattr(owner, name), times, [], []

        def stand_in(*args, **options):
            return self(*args, **options)

        monkeypatch.setattr(owner, name, stand_in)

    def __call__(self, *args, **options):
        self.still_held += [reference() is not None for reference in self.held]
        if not self.left:
            return self.true(*args, **options)
        self.left -= 1
        activations = torch.zeros(1000)
        self.held.append(weakref.ref(activations))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has ...")


def test_processes_that_cannot_share_the_heads_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(magihuman_load, "join", lambda: SimpleNamespace(count=3))
    with pytest.raises(EngineError, match="3 processes cannot share the 40 heads of magihuman; 2, 4, 5 or 8"):
        open_engine("magihuman", tmp_path)


def test_out_of_memory_amid_other_processes_is_final(arranged, tmp_path, monkeypatch):
    arranged.release.arrange.ranks = SimpleNamespace(is_calling=True, count=2)
    full = Full(monkeypatch, Transformer, "forward", times=2)
    with pytest.raises(OutOfMemory, match="too little memory for distill"):
        make(arranged, tmp_path / "a.mp4", draft=True)
    assert full.left == 1


@pytest.mark.parametrize(
    ("said", "is_memory"),
    [
        ("CUDA error: out of memory", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("GET was unable to find an engine to execute this computation", True),
        ("CUDA error: an illegal memory access was encountered", False),
        ("The size of tensor a (3) must match the size of tensor b (4)", False),
    ],
)
def test_what_libraries_say_when_memory_is_out_is_understood(said, is_memory):
    parts = Parts({"distill": torch.nn.Identity})
    expected = pytest.raises(OutOfMemory if is_memory else RuntimeError, match=re.escape(said))
    with expected, parts.use("distill", torch.nn.Identity):
        raise RuntimeError(said)


@pytest.mark.parametrize(("owner", "name"), [(Transformer, "forward"), (TurboVae, "draw")])
def test_out_of_memory_is_tried_once_more_in_a_leaner_arrangement(
    arranged, tmp_path, monkeypatch, owner, name
):
    expected, _ = make(arranged, tmp_path / "a.mp4", draft=True)
    assert arranged.release.arrange.found.arrangement.name == "resident"
    full, fractions = Full(monkeypatch, owner, name, times=1), []
    made, _ = make(arranged, tmp_path / "b.mp4", lambda report: fractions.append(report.fraction), draft=True)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert made.num_frames == expected.num_frames
    assert full.held
    assert not any(full.still_held)
    assert fractions == sorted(fractions)


def test_out_of_memory_twice_is_said_with_figures_and_the_engine_lives(arranged, tmp_path, monkeypatch):
    full = Full(monkeypatch, TurboVae, "draw", times=2)
    said = (
        r"too little memory for turbo_vae at this size: CUDA out of memory; planned: lean encoder, at most 33\.\d GB "
        r"of 140\.0 GB free \(stage base: weights 32\.9, activations \d\.\d\)$"
    )
    with pytest.raises(OutOfMemory, match=said):
        make(arranged, tmp_path / "a.mp4", draft=True)
    assert full.left == 0
    assert arranged.release.arrange.arranged.loaded == {}
    assert list(tmp_path.iterdir()) == []
    make(arranged, tmp_path / "a.mp4", draft=True)


def test_out_of_memory_in_the_leanest_arrangement_is_final(arranged, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4_500_000_000, 24_000_000_000))
    full = Full(monkeypatch, TurboVae, "draw", times=2)
    said = r"planned: streamed fp8, at most \d\.\d GB of 4\.5 GB free .*; no arrangement is leaner than streamed fp8$"
    with pytest.raises(OutOfMemory, match=said):
        make(arranged, tmp_path / "a.mp4", draft=True)
    assert full.left == 1


@pytest.mark.slow
def test_what_is_not_kept_goes_when_its_stage_is_over(tmp_path):
    engine = tiny_engine(tmp_path, kept=frozenset({"distill"}))
    make(engine, tmp_path / "a.mp4")
    assert set(engine.release.arrange(None).loaded) == {"distill"}


@pytest.mark.parametrize("resolution", ["480P", "720P", "1080P"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_every_size_is_a_multiple_of_32_near_its_ratio_with_as_many_tokens(resolution, ratio):
    made = plan(
        parse_request({"prompt": PROMPT, "resolution": resolution, "ratio": ratio, "seed": 1}),
        MAGIHUMAN,
        media={},
    )
    published = {"480P": (896, 512), "720P": (896, 512), "1080P": (1920, 1088)}[resolution]
    for (width, height), like in (
        ((made.base_width, made.base_height), (448, 256)),
        ((made.refine.width, made.refine.height), published),
    ):
        assert width % 32 == height % 32 == 0
        assert abs(width / height / ratio_value(ratio) - 1) < 0.03
        assert 0.85 < width * height / (like[0] * like[1]) < 1.15
    assert (made.width, made.height) == output_size(resolution, ratio)
    vouched = ratio in ("16:9", "9:16")
    assert any("vouch" in note for note in made.notes) is not vouched


def test_the_plan_says_both_passes_and_published_lengths():
    made = plan(parse_request({"prompt": PROMPT, "resolution": "1080P", "seed": 1}), MAGIHUMAN, media={})
    assert "made at 448x256, refined at 1920x1088 by 1080p_sr and scaled to 1920x1080" in made.notes
    assert (made.tokens.video, made.tokens.audio, made.tokens.text) == (3584, 126, 640)
    assert (made.refine.tokens.total, made.refine.num_steps) == (66_046, 5)
    assert BASE_SIZES["16:9"] == (448, 256)


def test_a_track_has_as_many_latents_as_published(tmp_path):
    speech(tmp_path / "voice.mp4")
    voice = {"voice": str(tmp_path / "voice.mp4")}
    lengths = {
        seconds: decided(MAGIHUMAN, duration=seconds, **voice).tokens.audio for seconds in (4, 5, 8, 10)
    }
    # The published run has 25 a second and ends up to three pictures early where that is not 4 k + 1; ours covers every picture.
    assert lengths == {4: 101, 5: 125, 8: 201, 10: 253}
    assert decided(MAGIHUMAN, duration=5).tokens.audio == 126


def test_what_the_weights_cannot_do_is_refused_in_the_plan(tmp_path):
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    for fields, said in (({"references": (str(tmp_path / "a.png"),)}, "r2v"), ({"video": "a.mp4"}, "edit")):
        with pytest.raises(
            Unsupported, match=rf"magihuman has no weights for {said} .*engines that can: .*testcard"
        ):
            plan(parse_request({"prompt": PROMPT, **fields}), MAGIHUMAN, media={})


def test_without_weights_or_a_gpu_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(
        WeightsMissing,
        match=r"pull magihuman distill turbo_vae text_encoder audio_vae; depending on the clip also 540p_sr \(480P and 720P\), 1080p_sr \(1080P\), wan_vae \(first frames",
    ):
        open_engine("magihuman", tmp_path)
    for part in PARTS:
        folder = tmp_path / "have" / part.name
        folder.mkdir(parents=True)
        (folder / "x.safetensors").touch()
        (tmp_path / "magihuman").mkdir(exist_ok=True)
        (tmp_path / "magihuman" / part.name).symlink_to(folder)
    with pytest.raises(WeightsMissing, match="weights convert magihuman turbo_vae"):
        open_engine("magihuman-base", tmp_path)
    (tmp_path / "magihuman" / "turbo_vae.safetensors").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for said in (
        "The NVIDIA driver on your system is too old (found version 11040). Please update",
        "No GPU",
    ):

        def refuse(said=said):
            raise RuntimeError(said)

        monkeypatch.setattr(torch.cuda, "init", refuse)
        with pytest.raises(EngineError, match="magihuman needs an NVIDIA GPU; torch 2") as caught:
            open_engine("magihuman", tmp_path)
        assert caught.value.message.endswith(f": {said.removesuffix('. Please update')}")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old Card")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    with pytest.raises(EngineError, match=r"capability 8\.0 or newer, for bf16; Old Card has 7\.5"):
        open_engine("magihuman", tmp_path)


def test_a_take_is_of_the_same_weights_when_those_that_refine_it_come_later(tmp_path, monkeypatch):
    monkeypatch.setattr(magihuman_load, "find_gpu", lambda _: torch.device("cpu"))
    root = tmp_path / "magihuman"
    root.mkdir()
    for name in ("distill", "turbo_vae", "text_encoder", "audio_vae"):
        (tmp_path / f"my_{name}").mkdir()
        (tmp_path / f"my_{name}" / "x.safetensors").write_bytes(name.encode())
        (root / name).symlink_to(tmp_path / f"my_{name}")
    (root / "turbo_vae.safetensors").touch()

    def named():
        engine = open_engine("magihuman", tmp_path)
        return engine.capabilities.weights_hash, engine._weights_of(decided())

    take, clip = named()
    (root / "540p_sr").mkdir()
    (root / "540p_sr" / "x.safetensors").write_bytes(b"refines")
    (tmp_path / "my_distill" / "readme.txt").write_bytes(b"not weights")
    assert named()[0] == take
    assert len({take, clip, named()[1]}) == 3
    (tmp_path / "my_distill" / "x.safetensors").write_bytes(b"others")
    assert named()[0] != take


def test_parts_that_only_some_clips_need_are_asked_for_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (140_000_000_000, 141_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    parts = {part.name: part for part in PARTS}
    arranger = Arranger(WeightStore(tmp_path), parts, torch.device("cpu"))
    assert arranger(decided(draft=True)).kept == frozenset(parts)
    with pytest.raises(WeightsMissing, match=r"weights pull magihuman 540p_sr$"):
        arranger(decided())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (20_000_000_000, 24_000_000_000))
    monkeypatch.setattr(magihuman_arrange, "host_free_bytes", lambda: 64 * GB)
    assert arranger(decided(draft=True)).kept == frozenset(parts)
    assert arranger.found.arrangement.name == "fp8"
    for free_gb, kept in (
        (17, {"text_encoder"}),
        (10, {"text_encoder", "distill", "base", "540p_sr", "1080p_sr"}),
    ):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free_gb=free_gb: (free_gb * GB, 24 * GB))
        assert arranger(decided(draft=True)).kept == kept
    monkeypatch.setattr(magihuman_arrange, "host_free_bytes", lambda: 20 * GB)
    arranger.found = None
    assert "text_encoder" not in arranger(decided(draft=True)).kept
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1_000_000_000, 24_000_000_000))
    with pytest.raises(OutOfMemory, match=r"1\.0 GB are free of 24\.0; other processes hold the rest$"):
        arranger(decided(draft=True))


def test_streamed_networks_and_strips_make_the_same_clip(engine, tmp_path):
    made, slots = decided(), []
    take = engine.denoise(made, on_progress=lambda _: None)
    parts = engine.release.arrange(None)

    def streamed(name):
        model = parts.loaders[name]()
        slots.append(slots[0] if slots else Slots.of(model, torch.device("cpu")))
        stream_blocks(model, slots[0])
        return model

    lean = Parts({**parts.loaders, **{name: partial(streamed, name) for name in ("distill", "540p_sr")}})
    lean.strips = 2
    other = MagiHumanEngine(DISTILLED, replace(engine.release, arrange=lambda _plan, *, failed=None: lean))
    again = other.denoise(made, on_progress=lambda _: None)
    assert all(np.array_equal(take.latents[name], again.latents[name]) for name in take.latents)
    draw(engine, made, take, tmp_path / "a.mp4", on_progress=lambda _: None)
    draw(other, made, again, tmp_path / "b.mp4", on_progress=lambda _: None)
    for number in (0, 74):
        first, second = (decode_frame(tmp_path / name, number).astype(int) for name in ("a.mp4", "b.mp4"))
        assert np.abs(first - second).mean() < 0.1


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """A folder with a tiny network where a published one would be, and what it computes."""
    for module in (magihuman_arrange, magihuman_stored):
        monkeypatch.setattr(module, "NETWORKS", networks_of(CONFIG))
    model = random_network(CONFIG, "distill")
    cast_block_linears(model, torch.bfloat16)
    (tmp_path / "distill").mkdir()
    save_file(model.state_dict(), tmp_path / "distill" / "model.safetensors")
    with torch.inference_mode():
        return tmp_path, model(SEQUENCE)


SEQUENCE = pack(
    CONFIG, video=torch.randn(1, 48, 3, 4, 4), audio=torch.randn(1, 9, 64), text=torch.randn(1, 5, 16)
)


@pytest.mark.parametrize("name", [each.name for each in ARRANGEMENTS])
def test_a_network_computes_the_same_however_it_is_arranged(downloaded, name):
    folder, expected = downloaded
    load = NetworkLoader(WeightStore(folder), torch.device("cpu"), arrangement(name))
    with torch.inference_mode():
        first, second = (load("distill")(SEQUENCE) for _ in range(2))
    assert torch.equal(first.video, second.video)
    assert torch.equal(first.video, expected.video) is not load.arrangement.fp8
    assert float((first.video - expected.video).abs().mean()) < 0.1 * float(expected.video.std())
    assert (load.slots is not None) is load.arrangement.streamed


@pytest.mark.parametrize("name", ["fp8", "streamed fp8"])
def test_a_conversion_is_used_where_there_is_one(downloaded, name):
    folder, _ = downloaded
    load = NetworkLoader(WeightStore(folder), torch.device("cpu"), arrangement(name))
    with torch.inference_mode():
        rounded = load("distill")(SEQUENCE)
        convert_network(folder / "distill", folder / "distill-fp8", CONFIG, storage="fp8")
        (folder / "distill").rename(folder / "away")
        assert torch.equal(load("distill")(SEQUENCE).video, rounded.video)


def store_in_fp8(path):
    """Write a network's file anew with one scale a matrix, as it is published in eight bits."""
    stored = load_file(path)
    for key, tensor in list(stored.items()):
        if tensor.dtype == torch.bfloat16:
            scale = tensor.float().abs().amax() / 448
            stored[key], stored[f"{key}.__fp8_scale"] = (
                (tensor.float() / scale).to(torch.float8_e4m3fn),
                scale,
            )
    save_file(stored, path)


@pytest.mark.parametrize("is_converted", [False, True])
@pytest.mark.parametrize("fp8_file", [False, True])
def test_the_plan_counts_what_is_then_loaded(downloaded, fp8_file, is_converted):
    folder, _ = downloaded
    if fp8_file:
        store_in_fp8(folder / "distill" / "model.safetensors")
    if is_converted:
        for name, storage in (("bf16", "published"), ("fp8", "fp8")):
            convert_network(folder / "distill", folder / f"distill-{name}", CONFIG, storage=storage)
    (folder / "distill").rename(folder / "mine")
    store = WeightStore(folder)
    store.link(next(part for part in PARTS if part.name == "distill"), folder / "mine")
    stored, made = stored_bytes(store, ["distill", "540p_sr"]), decided(draft=True)
    assert stored.keys() == {"distill"}
    for each in ARRANGEMENTS:
        if each.streamed:
            continue
        loaded = (
            NetworkLoader(WeightStore(folder), torch.device("cpu"), each)("distill").state_dict().values()
        )
        planned, without = (
            next(s for s in stages_of(made, each, stored=counted) if s.stage == "base").weights_bytes
            for counted in (stored, {"distill": NetworkBytes(0, 0)})
        )
        assert planned - without == sum(tensor.nbytes for tensor in loaded), each.name
    kept_in_fp8 = fp8_file and not is_converted
    assert plan_memory(made, 139 * GB, stored=stored).arrangement.fp8 is kept_in_fp8


@pytest.mark.parametrize("name", ["streamed", "streamed fp8"])
def test_networks_in_fewer_bits_share_the_slots_of_others(downloaded, name):
    folder, _ = downloaded
    model = random_network(networks_of(CONFIG)["540p_sr"].config, "540p_sr")
    (folder / "540p_sr").mkdir()
    save_file(model.state_dict(), folder / "540p_sr" / "model.safetensors")
    store_in_fp8(folder / "distill" / "model.safetensors")
    streamed, resident = (
        NetworkLoader(WeightStore(folder), torch.device("cpu"), arrangement(each))
        for each in (name, name.replace("streamed", "resident"))
    )
    with torch.inference_mode():
        for network in ("distill", "540p_sr"):
            assert torch.equal(streamed(network)(SEQUENCE).video, resident(network)(SEQUENCE).video)


def test_networks_multiply_in_eight_bits_where_that_was_chosen(downloaded):
    folder, expected = downloaded
    resident, streamed = (
        NetworkLoader(WeightStore(folder), torch.device("cpu"), arrangement(name), multiply_fp8=True)(
            "distill"
        )
        for name in ("resident fp8", "streamed fp8")
    )
    with torch.inference_mode():
        found = resident(SEQUENCE)
        assert torch.equal(streamed(SEQUENCE).video, found.video)
    for layers in (resident.block.layers, streamed.block._layers):
        assert all(isinstance(layer.attention.linear_qkv, Fp8Product) for layer in layers)
    assert float((found.video - expected.video).abs().mean()) < 0.15 * float(expected.video.std())


@pytest.mark.parametrize(
    ("name", "fp8_file", "multiply_fp8", "said"),
    [
        ("resident", False, True, ""),
        ("resident", True, True, "the weights of distill are rounded"),
        ("streamed", False, False, ""),
        ("fp8", False, False, "the weights of distill are rounded"),
        ("resident fp8", False, True, "the weights of distill and what they multiply are rounded"),
        ("streamed fp8", True, True, "the weights of distill and what they multiply are rounded"),
    ],
)
def test_a_clip_is_told_which_arithmetic_made_it(downloaded, name, fp8_file, multiply_fp8, said):
    folder, _ = downloaded
    if fp8_file:
        store_in_fp8(folder / "distill" / "model.safetensors")
    load = NetworkLoader(
        WeightStore(folder), torch.device("cpu"), arrangement(name), multiply_fp8=multiply_fp8
    )
    rest = " to eight bits; the same seed gives another clip than in bf16"
    assert load("distill").note == (f"{said}{rest}" if said else "")


@pytest.mark.parametrize(
    ("name", "sharers", "recorded"),
    [("resident", 1, True), ("resident", 2, False), ("swapped", 1, False), ("streamed", 1, False)],
)
def test_networks_are_sped_up_as_far_as_their_arrangement_allows(name, sharers, recorded):
    wanted = Speedups(compile=True, flex=True, graphs=True)
    load = NetworkLoader(
        WeightStore(Path()), torch.device("cuda"), arrangement(name), sharers=sharers, speedups=wanted
    )
    assert load.speedups == replace(wanted, graphs=recorded)
    load = NetworkLoader(
        WeightStore(Path()), torch.device("cpu"), arrangement(name), sharers=sharers, speedups=wanted
    )
    assert not load.speedups.graphs


@pytest.mark.parametrize("name", ["resident", "streamed"])
def test_a_network_is_loaded_with_its_speedups(downloaded, name):
    folder, _ = downloaded
    load = NetworkLoader(
        WeightStore(folder),
        torch.device("cpu"),
        arrangement(name),
        speedups=Speedups(compile=True, flex=True),
    )
    model = load("distill")
    layers = model.block._layers if load.arrangement.streamed else model.block.layers
    assert all(isinstance(layer.attention, CompiledAttention) for layer in layers)
    assert all(layer.attention.attention.attend_windowed is attend_flexibly for layer in layers)


@pytest.mark.parametrize(
    ("free_gb", "sharers", "locked"), [(100, 1, True), (100, 4, False), (30, 1, False), (0, 1, False)]
)
def test_weights_are_locked_in_memory_only_where_the_host_has_room(
    free_gb, sharers, locked, monkeypatch, caplog
):
    monkeypatch.setattr(magihuman_arrange, "host_free_bytes", lambda: free_gb * GB)
    load = NetworkLoader(WeightStore(Path()), torch.device("cuda"), arrangement("streamed"), sharers=sharers)
    assert load._fits_host(31 * GB) is locked
    assert ("31 GB of weights stay in their files" in caplog.text) is not locked


def test_a_container_has_the_memory_that_its_limit_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(magihuman_arrange, "_CGROUP", tmp_path)
    machine = magihuman_arrange.host_free_bytes()
    assert machine > 0
    for limit, free in (("max", machine), ("3000", 3000 - 2000 + 500)):
        for name, text in (("max", limit), ("current", "2000"), ("stat", "anon 1400\ninactive_file 500\n")):
            (tmp_path / f"memory.{name}").write_text(f"{text}\n")
        assert magihuman_arrange.host_free_bytes() == pytest.approx(free, rel=0.1)


def test_networks_of_earlier_clips_go_when_they_are_in_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free_gb * GB, 141 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(magihuman_arrange, "check_present", lambda *_: None)
    arranger = Arranger(WeightStore(tmp_path), {part.name: part for part in PARTS}, torch.device("cpu"))
    free_gb = 139
    parts = arranger(decided(resolution="1080P"))
    assert arranger.found.arrangement.name == "resident"
    everything = {name: torch.nn.Identity() for name in ("distill", "540p_sr", "1080p_sr", "wan_vae")}
    parts.loaded.update(everything)
    assert set(arranger(decided(resolution="1080P")).loaded) == set(everything)
    free_gb = 100
    assert set(arranger(decided(resolution="1080P")).loaded) == set(everything) - {"540p_sr"}


def test_the_plan_of_a_clip_counts_what_speeds_it_up(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (139 * GB, 141 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(magihuman_arrange, "check_present", lambda *_: None)
    parts = {part.name: part for part in PARTS}

    def planned(**how):
        arranger = Arranger(WeightStore(tmp_path), parts, torch.device("cpu"), **how)
        arranger(decided(resolution="1080P"))
        return arranger.found.peak_bytes

    assert planned(speedups=Speedups(compile=True)) == planned() + COMPILED_BYTES
    assert planned(fp8=True, speedups=Speedups(compile=True)) > planned(fp8=True)


@pytest.mark.parametrize("name", ["swapped", "fp8", "streamed", "streamed fp8"])
def test_a_damaged_shard_leaves_nothing_loaded_and_a_mended_one_is_read(downloaded, name):
    folder, _ = downloaded
    path = folder / "distill" / "model.safetensors"
    whole = path.read_bytes()
    tensors = load_file(path)
    tensors["block.layers.2.mlp.down_proj.weight"][0, 0] = torch.nan
    save_file(tensors, path)
    load = NetworkLoader(WeightStore(folder), torch.device("cpu"), arrangement(name))
    parts = Parts({"distill": lambda: load("distill")}, kept=frozenset({"distill"}))
    with (
        pytest.raises(WeightsMissing, match=r"block\.layers\.2\.mlp\.down_proj\.weight contains values"),
        parts.use("distill", Transformer),
    ):
        pass
    assert parts.loaded == {}
    path.write_bytes(whole)
    with parts.use("distill", Transformer) as model, torch.inference_mode():
        assert bool(model(SEQUENCE).video.isfinite().all())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a sound at all", r"^voice: voice\.wav is text, not a readable .* sound file"),
        (b"", r"^voice: voice\.wav is empty \(0 bytes\)$"),
        (0.2, r"^voice lasts 0\.20 s; it must last 0\.5 to 60 s$"),
        (61.0, r"^voice lasts 61\.00 s; it must last 0\.5 to 60 s$"),
        ("picture", r"^voice is an image \(png\) without sound; it must be a sound file$"),
    ],
)
def test_a_voice_that_is_none_is_refused_before_anything_is_loaded(content, said, tmp_path):
    path = tmp_path / "voice.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, float):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(2 * round(8000 * content)))
    else:
        Image.new("RGB", (640, 480)).save(path, format="png")
    request = parse_request({"prompt": PROMPT, "voice": str(path)})

    def decide():
        plan(request, MAGIHUMAN, media={str(path): probe(path, field="voice")})

    with pytest.raises(MediaError, match=said) as caught:
        decide()
    assert "\n" not in caught.value.message

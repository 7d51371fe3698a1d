"""Golden vectors: the shipped ones pass, changed ones do not."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from happyhorse.model import verify
from happyhorse.model.goldens import Case
from happyhorse.model.goldens_network import load_model, sampler_of, trajectory
from happyhorse.model.pack import Latents
from happyhorse.model.sampler import sigmas_of
from happyhorse.model.superres import alpha_table
from happyhorse.model.verify import verify_goldens

GOLDENS = Path(__file__).parents[1] / "goldens"
CASE = "sampler_sr5_case.safetensors"
WEIGHTS = "dit_w3_weights.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (CASE, WEIGHTS):
        shutil.copy(GOLDENS / name, tmp_path)
    return tmp_path


def _rewrite(path: Path, edit: Callable[[dict[str, torch.Tensor], dict[str, object]], object]) -> None:
    with safe_open(path, framework="pt") as opened:
        config = json.loads(opened.metadata()["config"])
    tensors = load_file(path)
    edit(tensors, config)
    save_file(tensors, path, metadata={"config": json.dumps(config)})


def test_shipped_goldens_pass() -> None:
    seen = []
    report = verify_goldens(GOLDENS, seen.append)
    assert report.failures == ()
    assert report.passed
    assert seen == list(report.checks)
    assert {check.case for check in report.checks} >= {"schedules", "sampler_sr5_case", "misc_processing"}
    assert report.not_covered == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("video_latent_init", 9),
        ("video_latent_init", torch.nan),
        ("text_feat", 9),
        ("image_latent", 9),
        ("step2.v_video", 9),
        ("step1.v_audio", 9),
        ("final_video_fp32", torch.nan),
        ("final_video_bf16", 9),
        ("sigmas", 9),
        ("timesteps", 9),
    ],
)
def test_a_changed_tensor_fails(folder: Path, name: str, value: float) -> None:
    def edit(tensors: dict[str, torch.Tensor], _config: object) -> None:
        tensors[name].view(-1)[-1] = value

    _rewrite(folder / CASE, edit)
    assert not verify_goldens(folder).passed


def test_changed_weights_fail(folder: Path) -> None:
    path = folder / WEIGHTS
    _rewrite(path, lambda tensors, _: tensors["block.layers.2.mlp.down_proj.weight"].mul_(1.1))
    assert not verify_goldens(folder).passed


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda t, c: c["arch"].update(enable_attn_gating=False), "enable_attn_gating"),
        (lambda t, c: c["arch"].update(activation_type="relu"), "activation_type"),
        (lambda t, c: c["arch"].update(hidden_size=64), "shape"),
        (lambda t, c: c["sampler"].update(kind="heun"), "heun"),
        (lambda t, c: c["sampler"].update(guidance={"video": 2.0, "colour": 3}), "colour"),
        (lambda t, c: c.update(weights="elsewhere"), "no weights at"),
        (lambda t, c: t.pop("video_latent_init"), "video_latent_init"),
    ],
)
def test_what_cannot_be_run_is_a_failure_with_a_reason(
    folder: Path, edit: Callable[[dict[str, torch.Tensor], dict[str, object]], object], reason: str
) -> None:
    _rewrite(folder / CASE, edit)
    report = verify_goldens(folder)
    assert not report.passed
    assert reason in report.problems[0].reason


def test_settings_are_read_from_the_file(folder: Path) -> None:
    for edit in (
        lambda t, c: c.update(coords_style="v2"),
        lambda t, c: c.update(frame_receptive_field=2),
        lambda t, c: c["arch"].update(gelu7_layers=[]),
        lambda t, c: c["sampler"].update(audio_update=True),
    ):
        shutil.copy(GOLDENS / CASE, folder)
        _rewrite(folder / CASE, edit)
        assert not verify_goldens(folder).passed


def test_sound_that_stands_still_may_have_any_guidance_scale(folder: Path) -> None:
    """Two passes in super-resolution state no scale for the sound; the recorded velocity must still combine the two."""
    config = GOLDENS / CASE
    with safe_open(config, framework="pt") as opened:
        settings = json.loads(opened.metadata()["config"])
    settings["sampler"]["guidance"] = {"video": 3.5, "video_first_frames": 2.0, "first_frames": 2}
    tensors = load_file(config)
    null = {
        "null_text_feat": tensors["text_feat"].flip(1)[:, :5].contiguous(),
        "null_text_len": torch.tensor(5),
    }
    inputs = {
        k: tensors[k]
        for k in ("video_latent_init", "audio_latent_init", "image_latent", "text_feat", "text_len")
    }
    case = Case("sampler_made_here", folder, settings, inputs | null, set())
    model, (sampler, _) = load_model(case, torch.float32), sampler_of(case)
    passes: dict[str, Latents] = {}
    made = {}
    for step in trajectory(case, model, sampler, update_audio=False, passes=passes):
        both = passes[""].audio, passes["null_"].audio
        made[f"step{step.index}.v_audio"] = both[1] + 5 * (both[0] - both[1])
        made[f"step{step.index}.v_video"] = step.velocity.video
    path = folder / "sampler_made_here.safetensors"
    save_file(
        {k: v.clone().contiguous() for k, v in (inputs | null | made).items()},
        path,
        metadata={"config": json.dumps(settings)},
    )
    assert verify_goldens(folder).passed
    _rewrite(path, lambda t, _: t["step3.v_audio"].view(-1)[0].add_(1))
    assert not verify_goldens(folder).passed


def test_an_empty_folder_and_damaged_files_fail(tmp_path: Path) -> None:
    assert not verify_goldens(tmp_path).passed
    (tmp_path / CASE).write_bytes((GOLDENS / CASE).read_bytes()[:1000])
    report = verify_goldens(tmp_path)
    assert [problem.case for problem in report.problems] == ["sampler_sr5_case"]


def test_other_files_are_named_as_not_covered(folder: Path) -> None:
    save_file({"a": torch.zeros(1)}, folder / "upscaler_case.safetensors")
    assert verify_goldens(folder).not_covered == ("upscaler_case.safetensors",)


def test_a_codec_case_without_its_library_is_named_as_not_covered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({"a": torch.zeros(1)}, folder / "oobleck_case.safetensors")
    monkeypatch.setattr(verify, "installed", lambda library: library != "diffusers")
    report = verify_goldens(folder)
    assert report.passed
    assert report.not_covered == (
        "oobleck_case.safetensors (needs diffusers: pip install 'happyhorse[gpu]')",
    )


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [("crop1", 4, 411), ("imgprep0_out", 5, 0.5), ("overlap_merged", 30, 9.0), ("video_up_bicubic", 60, 250)],
)
def test_changed_processing_fails(tmp_path: Path, name: str, index: int, value: float) -> None:
    path = tmp_path / "misc_processing.safetensors"
    shutil.copy(GOLDENS / path.name, path)

    def edit(tensors: dict[str, torch.Tensor], _config: object) -> None:
        tensors[name].view(-1)[index] = value

    _rewrite(path, edit)
    assert [check.output for check in verify_goldens(tmp_path).failures] == [name]


@pytest.mark.parametrize("stem", ["turbo_vae_case", "wan22_vae_case", "oobleck_case"])
def test_a_codec_case_that_says_too_little_is_a_problem(tmp_path: Path, stem: str) -> None:
    save_file(
        {"latent": torch.zeros(1, 48, 2, 2, 2)}, tmp_path / f"{stem}.safetensors", metadata={"config": "{}"}
    )
    report = verify_goldens(tmp_path)
    assert [problem.case for problem in report.problems] == [stem]
    assert "config" in report.problems[0].reason


def test_a_case_is_known_by_what_is_in_it_however_it_is_named(tmp_path: Path) -> None:
    shutil.copy(GOLDENS / CASE, tmp_path / "five_steps.safetensors")
    shutil.copy(GOLDENS / WEIGHTS, tmp_path / "dit_of_mine.safetensors")
    _rewrite(
        tmp_path / "five_steps.safetensors",
        lambda _, config: config.update(weights="dit_of_mine.safetensors"),
    )
    for name in ("schedules", "misc_processing"):
        shutil.copy(GOLDENS / f"{name}.safetensors", tmp_path / f"a_{name}.safetensors")
    shutil.copy(GOLDENS / WEIGHTS, tmp_path / "nobodys.safetensors")
    report = verify_goldens(tmp_path)
    assert report.failures == ()
    assert {check.case for check in report.checks} == {"five_steps", "a_schedules", "a_misc_processing"}
    assert report.not_covered == ("nobodys.safetensors",)


def test_a_time_between_two_whole_numbers_is_taken_either_way_and_no_other(tmp_path: Path) -> None:
    path, levels = tmp_path / "times.safetensors", torch.tensor(sigmas_of(9, shift=1.0))
    above = [round(1000 * level) for level in levels[:-1].tolist()]
    whole = {1000 * level - number for level, number in zip(levels[:-1].tolist(), above, strict=True)}
    assert any(abs(rest) < 1e-4 for rest in whole)

    def passes(times: list[int]) -> bool:
        tensors = {"sr_alpha_table": torch.tensor(alpha_table()), "timesteps_9": torch.tensor(times)}
        save_file(tensors, path, metadata={"config": json.dumps({"case": "schedules", "shift": 1.0})})
        return verify_goldens(tmp_path).passed

    exact = [999 * (9 - i) / 9 for i in range(9)]
    below = [math.ceil(time - 1e-9) - 1 if abs(time - round(time)) < 1e-9 else int(time) for time in exact]
    assert passes([math.floor(time + 1e-9) for time in exact])
    assert passes(below)
    assert not passes([below[0] - 1, *below[1:]])

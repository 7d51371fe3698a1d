"""Goldens of the network: one forward (`dit_*`), one trajectory (`sampler_*`), noise levels (`schedules`).

Each check yields comparisons: packed rows, coords, rotary phases, traces of every layer and velocities of a forward;
every step's input, velocity and result of a trajectory; the preparation of super-resolution.
"""

import re
from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from happyhorse.errors import Unsupported
from happyhorse.model.checkpoint import fill, read_metadata
from happyhorse.model.config import ModelConfig
from happyhorse.model.goldens import EXACT, Case, Check, Limit
from happyhorse.model.pack import Latents, PackedSequence, pack
from happyhorse.model.published_config import config_from_published
from happyhorse.model.reference import window_mask
from happyhorse.model.rope import coords_of
from happyhorse.model.sampler import (
    Guidance,
    SamplerSettings,
    Step,
    Velocity,
    denoise_steps,
    sigmas_of,
    timestep_of,
    with_first_frame,
)
from happyhorse.model.superres import add_noise, alpha_table, mix_audio, upsample
from happyhorse.model.transformer import Transformer, cast_block_linears
from happyhorse.shapes import LatentShape

POLICIES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Dtype of the block linears and of attention; "bf16" is the published policy."""

_WHOLE = 1e-3
# Source: the README beside the golden files. The bf16 trajectories of two right implementations differ by up to 0.5.
TABLE = Limit(1e-6, 1e-6)
FORWARD = {"fp32": Limit(1e-4, 1e-5), "bf16": Limit(0.08, 0.012)}
TRAJECTORY = Limit(2e-4, 2e-5)
GUIDED_TRAJECTORY = Limit(1e-3, 1e-4)
DRIFT = Limit(4.0, 0.6)
"""Of trajectories in bf16: two unrelated ones differ by about 1.1 on average, two right ones of a deep network by 0.2."""


def config_of(settings: Mapping[str, object]) -> ModelConfig:
    """Read a ModelConfig from a golden's description. Raises: Unsupported for features that no published model has."""
    arch = settings.get("arch")
    if not isinstance(arch, dict):
        raise Unsupported("the config has no 'arch'")
    return config_from_published(
        arch,
        frame_receptive_field=int(str(settings.get("frame_receptive_field", 11))),
        coords_style="v1" if settings.get("coords_style", "v2") == "v1" else "v2",
    )


def load_model(case: Case, dtype: torch.dtype) -> Transformer:
    """Build the case's network with the weights beside it; block linears in `dtype`, the rest float32."""
    path = case.folder / f"{case.weights}.safetensors"
    read_metadata(path)
    model = Transformer(config_of(case.settings))
    fill(model, {name: tensor.float() for name, tensor in load_file(path).items()}, origin=path.name)
    cast_block_linears(model, dtype)
    return model.eval()


def check_forward(case: Case) -> Iterator[Check]:
    video, audio, text = case["video_latent"], case["audio_latent"], case.text()
    if "video_latent_before_injection" in case:
        injected = with_first_frame(case["video_latent_before_injection"], case["image_latent"])
        yield from case.compare("video_latent", injected, EXACT)
    if "audio_len" in case:
        yield from case.compare("audio_len", torch.tensor(audio.shape[1]), EXACT)
    sequence = pack(config_of(case.settings), video=video, audio=audio, text=text)
    yield from _check_sequence(case, sequence)
    for policy, dtype in POLICIES.items():
        model = load_model(case, dtype)
        traces: dict[str, Tensor] = {}
        _record(model, traces)
        with torch.inference_mode():
            velocity = model(sequence)
        if policy == "fp32" and "rope" in case:
            sin, cos = model.adapter.rope(sequence.positions)
            yield from case.compare("rope", torch.cat([sin, cos], dim=-1)[0], TABLE)
        for name, rows in traces.items():
            yield from case.compare(f"trace_{policy}.{name}", rows[0], FORWARD[policy])
        if f"raw_out_{policy}" in case:
            raw = _side_by_side(
                [traces["video_rows"], traces["audio_rows"], torch.zeros_like(text)],
                case[f"raw_out_{policy}"],
            )
            yield from case.compare(f"raw_out_{policy}", raw, FORWARD[policy])
        yield from case.compare(f"out_video_{policy}", velocity.video, FORWARD[policy])
        yield from case.compare(f"out_audio_{policy}", velocity.audio, FORWARD[policy])


def _check_sequence(case: Case, sequence: PackedSequence) -> Iterator[Check]:
    config = config_of(case.settings)
    _, num_audio, num_text = sequence.sizes
    coords = coords_of(sequence.grid, num_audio=num_audio, num_text=num_text, style=config.coords_style)
    yield from case.compare("coords", coords, TABLE)
    modality = torch.repeat_interleave(torch.arange(3), torch.tensor(sequence.sizes))
    yield from case.compare("modality", modality, EXACT)
    if "packed_tokens" in case:
        rows = _side_by_side([sequence.video, sequence.audio, sequence.text], case["packed_tokens"])
        yield from case.compare("packed_tokens", rows, EXACT)
    if "local_q_ranges" in case:
        ours = window_mask(sequence.grid, num_rows=len(modality), window=config.frame_receptive_field)
        golden = torch.zeros_like(ours)
        for (q0, q1), (k0, k1) in zip(
            case["local_q_ranges"].tolist(), case["local_k_ranges"].tolist(), strict=True
        ):
            golden[q0:q1, k0:k1] = True
        differing = (ours != golden).double()
        yield Check(case.name, "local ranges", float(differing.max()), float(differing.mean()), EXACT)


def _side_by_side(parts: list[Tensor], golden: Tensor) -> Float[Tensor, "n c"]:
    """Stack rows of several widths, zero-padded to the golden's width; text has no rows in an output."""
    width = golden.shape[-1]
    return torch.cat(
        [F.pad(part[0].float(), (0, max(0, width - part.shape[-1])))[:, :width] for part in parts]
    )


def _record(model: Transformer, traces: dict[str, Tensor]) -> None:
    """Let the model write what passes between its parts into `traces`, under the names of the golden files."""
    watched: dict[str, nn.Module] = {
        "adapter_out": model.adapter,
        "video_rows": model.final_linear_video,
        "audio_rows": model.final_linear_audio,
    }
    for i in range(model.config.num_layers):
        for trace, part in (("out", ""), ("attn_out", ".attention"), ("mlp_out", ".mlp")):
            watched[f"layer{i}.{trace}"] = model.get_submodule(f"block.layers.{i}{part}")
    for name, module in watched.items():

        def keep(_module: nn.Module, _args: object, output: Tensor, name: str = name) -> None:
            traces[name] = output.float()

        module.register_forward_hook(keep)


def check_trajectory(case: Case) -> Iterator[Check]:
    settings, update_audio = sampler_of(case)
    sigmas = sigmas_of(settings.num_steps, shift=settings.shift)
    yield from case.compare("sigmas", torch.tensor(sigmas), TABLE)
    yield from _check_timesteps(case, "timesteps", sigmas)
    exact = TRAJECTORY if settings.guidance is None else GUIDED_TRAJECTORY
    for policy, dtype in POLICIES.items():
        informative = policy == "bf16"
        limit = DRIFT if informative else exact
        passes: dict[str, Latents] = {}
        for step in trajectory(
            case, load_model(case, dtype), settings, update_audio=update_audio, passes=passes
        ):
            name = f"step{step.index}"
            if not informative:
                yield from case.compare(f"{name}.video_model_input", step.seen.video, limit)
                yield from case.compare(f"{name}.v_video", step.velocity.video, limit)
                yield from case.compare(f"{name}.v_audio", _audio_velocity(case, step, passes), limit)
            yield from case.compare(
                f"{name}.video_after_{policy}", step.after.video, limit, informative=informative
            )
            yield from case.compare(
                f"{name}.audio_after_{policy}", step.after.audio, limit, informative=informative
            )
        final = Latents(with_first_frame(step.after.video, case.optional("image_latent")), step.after.audio)
        yield from case.compare(f"final_video_{policy}", final.video, limit, informative=informative)
        yield from case.compare(f"final_audio_{policy}", final.audio, limit, informative=informative)


def sampler_of(case: Case) -> tuple[SamplerSettings, bool]:
    """Return how a trajectory was run, and whether its sound moved."""
    given = case.settings.get("sampler")
    if not isinstance(given, dict):
        raise Unsupported("the config has no 'sampler'")
    kind, shift = given.get("kind"), given.get("shift", case.settings.get("shift", 5.0))
    if kind not in ("unipc", "renoise", "euler"):
        raise Unsupported(f"the sampler kind is {kind!r}; 'unipc', 'renoise' and 'euler' are supported")
    try:
        scales = given.get("guidance")
        known = None if scales is None else {k: v for k, v in scales.items() if v is not None}
        guidance = None if known is None else Guidance(**known)
        settings = SamplerSettings(kind, int(given["steps"]), float(shift), guidance)
    except (KeyError, TypeError, AttributeError) as err:
        raise Unsupported(f"the 'sampler' of the config cannot be read: {err}") from err
    return settings, bool(given.get("audio_update", True))


def trajectory(
    case: Case,
    model: Transformer,
    settings: SamplerSettings,
    *,
    update_audio: bool,
    passes: dict[str, Latents],
) -> Iterator[Step]:
    """Run a case's sampler, fed with its recorded noise; `passes` receives what each pass of the network returned."""

    def velocity_for(prefix: str) -> Velocity:
        text = case.text(prefix)

        def velocity(latents: Latents) -> Latents:
            sequence = pack(model.config, video=latents.video, audio=latents.audio, text=text)
            with torch.inference_mode():
                passes[prefix] = model(sequence)
            return passes[prefix]

        return velocity

    streams = ("video", "audio") if update_audio else ("video",)
    names = iter([f"step{i}.noise_{stream}" for i in range(settings.num_steps) for stream in streams])
    return denoise_steps(
        velocity_for(""),
        Latents(case["video_latent_init"], case["audio_latent_init"]),
        settings=settings,
        unconditional=None if settings.guidance is None else velocity_for("null_"),
        first_frame=case.optional("image_latent"),
        update_audio=update_audio,
        noise=lambda _like: case[next(names)],
    )


def _audio_velocity(case: Case, step: Step, passes: Mapping[str, Latents]) -> Tensor:
    """Return our velocity of the sound.

    Where two passes are made but the file gives no scale for the sound (super-resolution, whose sound stands still),
    any combination of the two that the recorded one lies on is as good as another.
    """
    name = f"step{step.index}.v_audio"
    guided = case.settings["sampler"]
    stated = isinstance(guided, dict) and (guided["guidance"] or {}).get("audio") is not None
    if name not in case or "null_" not in passes or stated:
        return step.velocity.audio
    base, change = passes["null_"].audio, passes[""].audio - passes["null_"].audio
    scale = ((case[name] - base) * change).sum() / change.square().sum()
    return base + scale * change


def _check_timesteps(case: Case, name: str, sigmas: list[float]) -> Iterator[Check]:
    """Where 1000 sigma is a whole number but for rounding, the time below it is as right."""
    ours = torch.tensor([timestep_of(sigma) for sigma in sigmas[:-1]])
    golden = case.optional(name)
    if golden is not None and golden.shape == ours.shape:
        exact = 1000 * torch.tensor(sigmas[:-1], dtype=torch.float64)
        either = ((exact - exact.round()).abs() < _WHOLE) & ((golden - ours).abs() == 1)
        ours = torch.where(either, golden.to(ours.dtype), ours)
    yield from case.compare(name, ours, EXACT)


def check_schedules(case: Case) -> Iterator[Check]:
    shift = float(str(case.settings.get("shift", 5.0)))
    for name in sorted(case.tensors):
        if found := re.fullmatch(r"(sigmas|timesteps)_(\d+)", name):
            sigmas = sigmas_of(int(found[2]), shift=shift)
            if found[1] == "sigmas":
                yield from case.compare(name, torch.tensor(sigmas), TABLE)
            else:
                yield from _check_timesteps(case, name, sigmas)
    yield from case.compare("sr_alpha_table", torch.tensor(alpha_table()), TABLE)
    if "sr_upsampled" in case:
        grid = LatentShape(*case["sr_upsampled"].shape[2:])
        yield from case.compare("sr_upsampled", upsample(case["sr_low_latent"], grid=grid), FORWARD["fp32"])
    if "sr_noised" in case:
        value = int(str(case.settings.get("noise_value", 220)))
        noised = add_noise(case["sr_upsampled"], case["sr_noise"], value=value)
        yield from case.compare("sr_noised", noised, FORWARD["fp32"])
    if "sr_audio_mixed" in case:
        mixed = mix_audio(case["sr_audio"], case["sr_audio_noise"])
        yield from case.compare("sr_audio_mixed", mixed, FORWARD["fp32"])

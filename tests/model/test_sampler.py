"""Solvers on a flow whose answer is known."""

from itertools import pairwise

import pytest
import torch

from happyhorse.errors import Canceled
from happyhorse.model import superres
from happyhorse.model.pack import Latents
from happyhorse.model.sampler import (
    Guidance,
    Kind,
    SamplerSettings,
    Step,
    denoise,
    denoise_steps,
    euler_step,
    gaussian,
    guide,
    sigmas_of,
    video_noise,
)
from happyhorse.shapes import LatentShape

KINDS: list[Kind] = ["euler", "unipc", "renoise"]
CLEAN = Latents(torch.full((1, 2, 3, 2, 2), 0.5), torch.full((1, 9, 4), -0.25))


def _noise(seed: int = 0) -> Latents:
    generator = torch.Generator().manual_seed(seed)
    draw = gaussian(generator)
    return Latents(draw(CLEAN.video), draw(CLEAN.audio))


def _network(spread: float, sigmas: list[float]):
    """The exact velocity for clean latents spread normally around CLEAN, given sigma; called once a step."""
    levels = iter(sigmas)

    def velocity(x: Latents) -> Latents:
        s = next(levels)
        variance = (1 - s) ** 2 * spread**2 + s**2

        def one(latent: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
            off = latent - (1 - s) * centre
            return s * off / variance - (centre + (1 - s) * spread**2 * off / variance)

        return Latents(one(x.video, CLEAN.video), one(x.audio, CLEAN.audio))

    return velocity


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_knows_the_answer_reaches_it(kind: Kind) -> None:
    settings = SamplerSettings(kind, 6, 3.0)
    result = denoise(_network(0.0, sigmas_of(6, shift=3.0)), _noise(), settings=settings)
    torch.testing.assert_close(result.video, CLEAN.video, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.audio, CLEAN.audio, atol=1e-4, rtol=0)


def test_unipc_is_nearer_to_the_true_flow_than_euler() -> None:
    def end(kind: Kind, steps: int) -> torch.Tensor:
        network = _network(1.0, sigmas_of(steps, shift=1.0))
        return denoise(network, _noise(), settings=SamplerSettings(kind, steps, 1.0)).video

    truth = end("euler", 1000)
    assert (end("unipc", 12) - truth).abs().mean() < 0.3 * (end("euler", 12) - truth).abs().mean()


def test_sigmas_fall_from_almost_one_to_zero() -> None:
    for shift in (1.0, 1.3, 5.0):
        sigmas = sigmas_of(8, shift=shift)
        assert len(sigmas) == 9
        assert sigmas[-1] == 0.0
        assert sigmas[0] == pytest.approx(0.999 * shift / (1 + (shift - 1) * 0.999))
        assert all(a > b for a, b in pairwise(sigmas))
    with pytest.raises(ValueError, match="num_steps is 0"):
        sigmas_of(0, shift=5.0)


def test_euler_refuses_to_go_back() -> None:
    with pytest.raises(ValueError, match="fall"):
        euler_step(CLEAN.video, CLEAN.video, sigma=0.5, sigma_next=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_frame_is_seen_clean_and_comes_out_unchanged(kind: Kind) -> None:
    first = torch.full((1, 2, 1, 2, 2), 7.0)
    steps = list(
        denoise_steps(lambda x: x, _noise(), settings=SamplerSettings(kind, 3, 1.0), first_frame=first)
    )
    assert all(torch.equal(step.seen.video[:, :, :1], first) for step in steps)
    result = denoise(lambda x: x, _noise(), settings=SamplerSettings(kind, 3, 1.0), first_frame=first)
    assert torch.equal(result.video[:, :, :1], first)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_track_stays_as_it_is(kind: Kind) -> None:
    start = _noise()
    result = denoise(lambda x: x, start, settings=SamplerSettings(kind, 3, 1.0), update_audio=False)
    assert torch.equal(result.audio, start.audio)
    assert not torch.equal(result.video, start.video)


def test_renoising_asks_for_video_noise_then_audio_noise() -> None:
    asked = []

    def noise(like: torch.Tensor) -> torch.Tensor:
        asked.append(like.ndim)
        return torch.zeros_like(like)

    denoise(lambda x: x, _noise(), settings=SamplerSettings("renoise", 2, 5.0), noise=noise)
    assert asked == [5, 3, 5, 3]


def test_guidance_scales_time_frames_and_sound_apart() -> None:
    zero, one = (
        Latents(torch.zeros(1, 2, 3, 2, 2), torch.zeros(1, 9, 4)),
        Latents(torch.ones(1, 2, 3, 2, 2), torch.ones(1, 9, 4)),
    )
    early = guide(one, zero, guidance=Guidance(5.0, audio=4.0, video_late=2.0), sigma=0.502)
    late = guide(one, zero, guidance=Guidance(5.0, audio=4.0, video_late=2.0), sigma=0.5005)
    assert (early.video.unique().item(), late.video.unique().item(), late.audio.unique().item()) == (
        5.0,
        2.0,
        4.0,
    )
    refined = guide(one, zero, guidance=Guidance(3.5, video_first_frames=2.0, first_frames=2), sigma=0.9)
    assert refined.video[0, 0, :, 0, 0].tolist() == [2.0, 2.0, 3.5]
    assert refined.audio.unique().item() == 1.0


def test_guidance_needs_both_passes() -> None:
    with pytest.raises(ValueError, match="together"):
        denoise(lambda x: x, _noise(), settings=SamplerSettings("euler", 2, 1.0, Guidance(2.0)))


def test_raising_in_on_step_cancels() -> None:
    seen = []

    def on_step(step: Step) -> None:
        seen.append((step.index, step.num_steps))
        torch.testing.assert_close(step.clean.video, (1 - step.sigma) * step.seen.video)
        if step.index == 1:
            raise Canceled

    with pytest.raises(Canceled):
        denoise(lambda x: x, _noise(), settings=SamplerSettings("euler", 5, 1.0), on_step=on_step)
    assert seen == [(0, 5), (1, 5)]


def test_superres_prepares_both_streams_and_keeps_variance() -> None:
    table = superres.alpha_table()
    assert table[0] == pytest.approx(0.9995749, abs=1e-7)
    assert table[220] == pytest.approx(0.8389104, abs=1e-7)
    assert table[999] == 0.0
    generator = torch.Generator().manual_seed(0)
    base = Latents(torch.randn(1, 8, 3, 4, 4, generator=generator), torch.ones(1, 9, 4))
    start = superres.prepare(base, grid=LatentShape(3, 16, 16), noise=torch.zeros_like)
    assert start.video.shape == (1, 8, 3, 16, 16)
    assert start.audio.unique().item() == pytest.approx(0.3)
    assert start.video[0, 0, 0, 0, 0] == pytest.approx(0.8389104 * float(base.video[0, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="agree"):
        superres.upsample(base.video, grid=LatentShape(4, 8, 8))


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.7])
def test_frames_share_as_much_of_their_noise_as_said_and_each_is_standard_normal(shared):
    noise = video_noise((2, 16, 5, 16, 16), shared=shared, generator=torch.Generator().manual_seed(0))
    frames = noise.transpose(1, 2).flatten(2)  # (b, t, values)
    assert frames.std().item() == pytest.approx(1, abs=0.02)
    correlations = torch.corrcoef(frames[0])
    assert correlations.fill_diagonal_(shared).sub(shared).abs().max() < 0.05
    assert torch.corrcoef(torch.stack([frames[0, 0], frames[1, 0]]))[0, 1].abs() < 0.05


def test_without_sharing_the_noise_is_the_plain_one():
    plain = torch.randn(1, 4, 3, 2, 2, generator=torch.Generator().manual_seed(5))
    drawn = video_noise((1, 4, 3, 2, 2), shared=0.0, generator=torch.Generator().manual_seed(5))
    assert torch.equal(drawn, plain)


@pytest.mark.parametrize("kind", ["euler", "renoise"])
def test_a_run_that_begins_at_a_later_step_ends_as_the_whole_one(kind: Kind) -> None:
    def quiet(like: torch.Tensor) -> torch.Tensor:
        return torch.full_like(like, 0.1)

    def network(x: Latents) -> Latents:
        return Latents(torch.sin(x.video), torch.cos(x.audio))

    settings = SamplerSettings(kind, 6, 3.0)
    whole = list(denoise_steps(network, _noise(), settings=settings, noise=quiet))
    rest = list(denoise_steps(network, whole[3].after, settings=settings, noise=quiet, first_step=4))
    assert [step.index for step in rest] == [4, 5]
    assert [step.sigma for step in rest] == [step.sigma for step in whole[4:]]
    torch.testing.assert_close(rest[-1].after, whole[-1].after)


def test_fresh_noise_is_shared_by_frames_as_the_first_was() -> None:
    drawn = gaussian(torch.Generator().manual_seed(0), shared=0.7)(torch.empty(1, 64, 4, 16, 16))
    frames = drawn[0].transpose(0, 1).flatten(1)
    expected = torch.full((4, 4), 0.7).fill_diagonal_(1.0)
    torch.testing.assert_close(torch.cov(frames), expected, atol=0.03, rtol=0)
    sound = gaussian(torch.Generator().manual_seed(0), shared=0.7)(torch.empty(1, 999, 64))
    assert sound.std().item() == pytest.approx(1, abs=0.02)


def test_renoising_without_a_source_of_noise_shares_it_among_frames_too() -> None:
    torch.manual_seed(0)
    start = Latents(torch.zeros(1, 64, 4, 16, 16), torch.zeros(1, 9, 4))
    settings = SamplerSettings("renoise", 2, 1.0, shared_noise=0.7)
    first, _ = denoise_steps(lambda x: Latents(x.video * 0, x.audio * 0), start, settings=settings)
    frames = first.after.video[0].transpose(0, 1).flatten(1)
    assert torch.corrcoef(frames)[0, 1].item() == pytest.approx(0.7, abs=0.03)

"""The video codec's trainer: squares hold what they say, weights lie on the face, a few steps on one square help."""

from importlib import resources
from pathlib import Path

import pytest
import torch
from torch.optim import AdamW

from happyhorse.errors import InvalidRequest
from happyhorse.model.pixels import from_bytes
from happyhorse.model.video_vae import BLOCK_VALUES, VideoVae, VideoVaeConfig, as_groups
from happyhorse.shapes import TIME_STRIDE
from happyhorse.training import codec_video as codec
from happyhorse.training.squares import make_pictures, make_squares

SHIPPED = Path(str(resources.files("happyhorse") / "weights/nano"))
TINY = VideoVaeConfig(16, (16, 16, 16), (1, 1, 1), (16, 16, 16), (1, 1, 1))


@pytest.fixture(scope="module")
def squares():
    return list(make_squares(range(1, 4)))


@pytest.fixture
def vae():
    torch.manual_seed(0)
    made = VideoVae(TINY)
    made.fit(torch.zeros(BLOCK_VALUES), torch.linalg.qr(torch.randn(BLOCK_VALUES, 16)).Q, torch.ones(16))
    return made


def test_the_mouth_counts_most_the_face_more_and_a_picture_one_on_average():
    weights = codec.face_weights([(4, 2, 12, 14), (0, 0, 0, 0), (-8, -8, 6, 6)], 16, 16)
    assert weights.mean(dim=(-1, -2)).flatten().tolist() == pytest.approx([1, 1, 1])
    wall, face, mouth = weights[0, 0, 0, 0, 0], weights[0, 0, 0, 3, 5], weights[0, 0, 0, 12, 5]
    assert face / wall == pytest.approx(codec.FACE_WEIGHT)
    assert mouth / wall == pytest.approx(codec.MOUTH_WEIGHT)
    assert (weights[1] == 1).all()
    assert weights[2, 0, 0, 5, 5] / weights[2, 0, 0, 7, 7] == pytest.approx(codec.MOUTH_WEIGHT)


def test_only_power_above_one_is_charged():
    quiet = 0.5 * torch.randn(2, 16, 3, 4, 4)
    assert codec.size_loss(quiet) == 0
    loud = quiet.clone()
    loud[:, 3] = 3.0
    assert codec.size_loss(loud).item() == pytest.approx((9 - 1) / 16)


def test_steps_on_one_batch_draw_it_better_and_move_the_encoder(vae, squares):
    optimizer = AdamW(vae.parameters(), lr=2e-3)
    batch, losses = squares[:2], []
    for _ in range(8):
        generator = torch.Generator().manual_seed(0)
        losses.append(codec.train_step(vae, optimizer, batch, generator, noise=0.1)[0].item())
    assert losses[-1] < losses[0]
    assert any(parameter.any() for parameter in vae.encoder.layers[-1].parameters())


@pytest.mark.slow
def test_what_a_network_says_is_learned_beside_what_is_read_and_the_encoder_stays(tmp_path, monkeypatch):
    steps = []
    for name in ("train_step", "redraw_step"):
        step = getattr(codec, name)
        monkeypatch.setattr(
            codec, name, lambda *a, name=name, step=step, **k: steps.append(name) or step(*a, **k)
        )
    monkeypatch.setattr(codec, "BATCH", 2)
    monkeypatch.setattr(codec, "FIT_MOTION_SAMPLES", 2)
    codec.run(out=tmp_path, minutes=1.0, resume=True, network=SHIPPED)
    assert steps[:2] == ["train_step", "redraw_step"]
    before, after = (VideoVae.load(folder / "video_vae.safetensors") for folder in (SHIPPED, tmp_path))
    pixels = torch.rand(1, 3, 5, 32, 32)
    assert torch.equal(after.encode(pixels), before.encode(pixels))
    assert not torch.equal(after.decoder.conv_out.weight, before.decoder.conv_out.weight)


def test_a_decoder_of_other_latents_than_the_networks_is_refused_before_anything_is_drawn(tmp_path, vae):
    vae.save(tmp_path / "video_vae.safetensors")
    written = (tmp_path / "video_vae.safetensors").read_bytes()
    with pytest.raises(
        InvalidRequest, match=r"has other latents than the network in .*; give --out an empty folder"
    ):
        codec.run(out=tmp_path, minutes=1.0, resume=True, network=SHIPPED)
    assert (tmp_path / "video_vae.safetensors").read_bytes() == written


def test_a_frozen_encoder_keeps_its_latents(tmp_path, monkeypatch, vae):
    monkeypatch.setattr(codec, "fit_projection", lambda _: pytest.fail("the projection was there"))
    monkeypatch.setattr(codec, "FIT_MOTION_SAMPLES", 2)
    vae.save(tmp_path / "video_vae.safetensors")
    pixels = torch.rand(1, 3, 5, 32, 32)
    before = VideoVae.load(tmp_path / "video_vae.safetensors").encode(pixels)
    codec.run(out=tmp_path, minutes=0.05, resume=True, decoder_only=True)
    after = VideoVae.load(tmp_path / "video_vae.safetensors")
    assert torch.equal(after.encode(pixels), before)
    assert after.decoder.conv_out.weight.any()
    assert after.motion.any()


@torch.no_grad()
def test_a_fitted_motion_draws_unseen_scenes_better(monkeypatch, vae):
    monkeypatch.setattr(codec, "FIT_MOTION_SAMPLES", 12)
    basis = torch.linalg.qr(torch.randn(BLOCK_VALUES, 16)).Q
    basis[:, 0] = BLOCK_VALUES**-0.5  # brightness, so that there is something to predict from
    vae.fit(torch.zeros(BLOCK_VALUES), basis, torch.ones(16))
    pixels = from_bytes(make_pictures(5).frames)
    small, latent = codec.shrink(pixels), vae.read(codec.shrink(pixels))
    before = codec.psnr_db(codec.shrink(vae.draw(latent)), small[:, :, codec.MIDDLE])
    codec.fit_motion(vae)
    assert codec.psnr_db(codec.shrink(vae.draw(latent)), small[:, :, codec.MIDDLE]) > before + 0.5
    fitted = vae.motion.clone()
    codec.fit_motion(vae)
    assert (vae.motion - fitted).norm() < 0.4 * fitted.norm()  # little is left to fit


@torch.no_grad()
def test_a_picture_that_jumps_from_latent_to_latent_costs_more_than_one_that_is_late():
    """Both err by as much in all; one moves evenly as the true one does, the other in one step."""
    positions = 0.1 * torch.arange(8.0).view(1, 1, 8, 1, 1)
    true, nobody = positions.expand(1, 3, 8, 4, 4), [(0, 0, 0, 0)]
    late = true - 0.1
    stepping = torch.where(positions < 0.4, 0.15, 0.55).expand_as(true)
    assert (stepping - true).abs().mean() == pytest.approx((late - true).abs().mean().item())
    assert codec.drawing_loss(stepping, true, nobody) > 2 * codec.drawing_loss(late, true, nobody)


def test_squares_begin_as_a_clip_is_encoded():
    pixels = torch.rand(2, 3, 16, 8, 8)
    first = 2 * TIME_STRIDE - 1
    begun = codec.from_first_frame(pixels)
    torch.testing.assert_close(begun[:, :, TIME_STRIDE:], as_groups(pixels[:, :, first:]), atol=0, rtol=0)
    torch.testing.assert_close(begun[:, :, :TIME_STRIDE], begun[:, :, TIME_STRIDE : 2 * TIME_STRIDE])

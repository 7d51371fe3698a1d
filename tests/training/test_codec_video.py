"""The video codec's trainer: squares hold what they say, weights lie on the face, a few steps on one square help."""

import numpy as np
import pytest
import torch
from torch.optim import AdamW

from happyhorse.model.pixels import from_bytes
from happyhorse.model.video_vae import BLOCK_VALUES, VideoVae, VideoVaeConfig
from happyhorse.training import codec_video as codec
from happyhorse.training import squares as cutting

TINY = VideoVaeConfig(16, (16, 16, 16), (1, 1, 1), (16, 16, 16), (1, 1, 1))


@pytest.fixture(scope="module")
def squares():
    return list(cutting.make_squares(range(1, 4)))


@pytest.fixture
def vae():
    torch.manual_seed(0)
    made = VideoVae(TINY)
    made.fit(torch.zeros(BLOCK_VALUES), torch.linalg.qr(torch.randn(BLOCK_VALUES, 16)).Q, torch.ones(16))
    return made


def test_a_seed_gives_the_same_two_squares_again(squares):
    again = list(cutting.make_squares(range(2, 3)))
    assert len(squares) == 6
    for one, other in zip(squares[2:4], again, strict=True):
        assert np.array_equal(one.frames, other.frames)
        assert one.face == other.face
    assert {square.frames.shape for square in squares} == {
        (cutting.NUM_FRAMES, cutting.SIDE, cutting.SIDE, 3)
    }


def test_a_square_around_the_face_holds_its_middle():
    frames = np.zeros((cutting.NUM_FRAMES, 256, 448, 3), np.uint8)
    frames[:, 100:180, 200:260] = 255
    pictures = cutting.Pictures(frames, (200, 100, 260, 180))
    for seed in range(20):
        cut = cutting.cut(pictures, np.random.default_rng(seed), around_face=True)
        left, top, right, bottom = cut.face
        assert 0 <= (left + right) // 2 < cutting.SIDE
        assert 0 <= (top + bottom) // 2 < cutting.SIDE
        box = cut.frames[0, max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        assert (box == 255).all()
        assert (cut.frames[0] == 255).sum() == box.size


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
        losses.append(codec.train_step(vae, optimizer, batch, generator)[0].item())
    assert losses[-1] < losses[0]
    assert any(parameter.any() for parameter in vae.encoder.layers[-1].parameters())


def test_a_frozen_encoder_keeps_its_latents(tmp_path, monkeypatch, vae):
    monkeypatch.setattr(codec, "fit_projection", lambda _: pytest.fail("the projection was there"))
    vae.fit_motion(torch.full_like(vae.motion, 1e-4))
    vae.save(tmp_path / "video_vae.safetensors")
    pixels = torch.rand(1, 3, 5, 32, 32)
    before = VideoVae.load(tmp_path / "video_vae.safetensors").encode(pixels)
    codec.run(out=tmp_path, minutes=0.05, resume=True, decoder_only=True)
    after = VideoVae.load(tmp_path / "video_vae.safetensors")
    assert torch.equal(after.encode(pixels), before)
    assert after.decoder.conv_out.weight.any()


@torch.no_grad()
def test_a_fitted_motion_draws_unseen_scenes_better(monkeypatch, vae):
    monkeypatch.setattr(codec, "FIT_MOTION_SAMPLES", 12)
    basis = torch.linalg.qr(torch.randn(BLOCK_VALUES, 16)).Q
    basis[:, 0] = BLOCK_VALUES**-0.5  # brightness, so that there is something to predict from
    vae.fit(torch.zeros(BLOCK_VALUES), basis, torch.ones(16))
    pixels = from_bytes(codec.make_pictures(5).frames)
    small, latent = codec.shrink(pixels), vae.read(codec.shrink(pixels))
    before = codec.psnr_db(codec.shrink(vae.draw(latent)), small[:, :, codec.MIDDLE])
    codec.fit_motion(vae)
    assert codec.psnr_db(codec.shrink(vae.draw(latent)), small[:, :, codec.MIDDLE]) > before + 0.5
    fitted = vae.motion.clone()
    codec.fit_motion(vae)
    assert (vae.motion - fitted).norm() < 0.4 * fitted.norm()  # little is left to fit

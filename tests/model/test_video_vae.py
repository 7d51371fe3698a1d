"""The video codec: exact lengths, a projection that is the best of its rank, streaming equal to the plain path, files."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from happyhorse.errors import WeightsMissing
from happyhorse.model.video_vae import (
    BLOCK_VALUES,
    UPSCALE,
    VideoVae,
    VideoVaeConfig,
    as_groups,
    from_blocks,
    to_blocks,
)

TINY = VideoVaeConfig(16, (8, 8, 8), (1, 1, 1), (8, 8, 8), (1, 1, 1))


@pytest.fixture
def vae():
    torch.manual_seed(0)
    made = VideoVae(TINY)
    basis = torch.linalg.qr(torch.randn(BLOCK_VALUES, 16)).Q
    made.fit(0.1 * torch.randn(BLOCK_VALUES), basis, torch.linspace(5, 1, 16))
    for parameter in (*made.encoder.parameters(), *made.decoder.parameters()):
        torch.nn.init.normal_(parameter, std=0.05)
        parameter.data = parameter.data.half().float()  # as files keep them
    return made.eval()


@given(frames=st.integers(1, 14), height=st.integers(1, 3), width=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_blocks_hold_every_pixel_once_and_the_first_frame_four_times(frames, height, width):
    pixels = torch.rand(1, 3, frames, 16 * height, 16 * width)
    back = from_blocks(to_blocks(as_groups(pixels)))
    assert torch.equal(back[:, :, 3 : 3 + frames], pixels)
    assert all(torch.equal(back[:, :, i], pixels[:, :, 0]) for i in range(3))
    assert all(torch.equal(frame, pixels[:, :, -1]) for frame in back[:, :, 3 + frames :].unbind(2))


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (2, 2), (5, 2), (6, 3), (125, 32)])
def test_latent_count_is_one_and_a_quarter_of_the_rest(vae, frames, latents):
    assert vae.encode(torch.zeros(1, 3, frames, 32, 32)).shape == (1, 16, latents, 2, 2)


@torch.no_grad()
def test_decode_gives_four_frames_a_latent_but_one_for_the_first_at_twice_the_size(vae):
    frames = vae.decode(torch.randn(1, 16, 3, 2, 4))
    assert frames.shape == (1, 3, 9, 32 * UPSCALE, 64 * UPSCALE)


@torch.no_grad()
@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_streamed_frames_equal_those_decoded_at_once(vae, chunk):
    latent = torch.randn(1, 16, 5, 2, 2)
    streamed = torch.cat(list(vae.decode_stream(latent, chunk=chunk)), dim=2)
    torch.testing.assert_close(streamed, vae.decode(latent), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_pictures_inside_the_span_of_the_components_come_back_exactly_without_networks(vae):
    pictures = vae.project(torch.randn(1, 16, 2, 2, 2))
    torch.testing.assert_close(vae.bare(pictures), pictures, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_each_latent_reads_its_own_four_frames_alone(vae):
    pixels = torch.rand(1, 3, 9, 32, 32)
    whole, changed = vae.encode(pixels), pixels.clone()
    changed[:, :, 5:] = torch.rand(1, 3, 4, 32, 32)
    torch.testing.assert_close(vae.encode(pixels[:, :, :5]), whole[:, :, :2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vae.encode(changed)[:, :, :2], whole[:, :, :2], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(vae.encode(changed)[:, :, 2], whole[:, :, 2], atol=1e-2)


@torch.no_grad()
def test_fresh_networks_add_nothing_to_the_projection():
    made = VideoVae(TINY)
    made.fit(torch.zeros(BLOCK_VALUES), torch.linalg.qr(torch.randn(BLOCK_VALUES, 16)).Q, torch.ones(16))
    pictures = torch.rand(1, 3, 8, 32, 32)
    torch.testing.assert_close(made.project(made.read(pictures)), made.bare(pictures), atol=1e-5, rtol=1e-5)
    latent = torch.randn(1, 16, 2, 2, 2)
    plain = torch.nn.functional.interpolate(
        made.project(latent)[0].transpose(0, 1), scale_factor=UPSCALE, mode="bilinear"
    )
    torch.testing.assert_close(made.decode(latent)[0].transpose(0, 1), plain[3:], atol=1e-6, rtol=1e-6)


def test_a_saved_codec_encodes_to_the_same_bits(vae, tmp_path):
    path = tmp_path / "vae.safetensors"
    vae.save(path)
    pixels = torch.rand(1, 3, 5, 32, 32)
    assert torch.equal(VideoVae.load(path).encode(pixels), vae.encode(pixels))


def test_a_cut_file_is_refused_by_name(vae, tmp_path):
    path = tmp_path / "vae.safetensors"
    vae.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsMissing, match=r"vae\.safetensors"):
        VideoVae.load(path)

"""What a network brings back of the world's clips: the same clip, a little wrong, beside its true frames."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim import AdamW

from happyhorse.errors import WeightsMissing
from happyhorse.model.pixels import from_bytes
from happyhorse.model.video_vae import UPSCALE, VideoVae
from happyhorse.training import codec_video as codec
from happyhorse.training import redraw
from happyhorse.training.clips import collate, make_clips, stage
from happyhorse.training.squares import SIDE

SHIPPED = Path(str(resources.files("happyhorse") / "weights/nano"))
SEED = 3


@pytest.fixture(scope="module")
def squares():
    return list(redraw.make_redrawn(range(SEED, SEED + 1), folder=SHIPPED))


@pytest.fixture(scope="module")
def batch():
    clips = make_clips(range(SEED, SEED + 1), kind=redraw.KIND, codecs=redraw.load_network(SHIPPED).codecs)
    return collate(clips, np.random.default_rng(0))


def distance_db(vae, latent, frames):
    with torch.inference_mode():
        return codec.psnr_db(vae.draw(torch.from_numpy(latent).float()[None]), from_bytes(frames))


def test_latents_and_frames_of_a_square_show_the_same_place_and_instant(squares):
    assert len(squares) == redraw.SQUARES
    vae = VideoVae.load(SHIPPED / "video_vae.safetensors")
    for square in squares:
        assert square.frames.shape == (8, SIDE, SIDE, 3)
        assert square.latent.shape == (vae.config.latent_channels, 4, SIDE // 32, SIDE // 32)
        here = distance_db(vae, square.latent, square.frames)
        moved = [np.roll(square.frames, 16, axis) for axis in (1, 2)]
        assert here > 18
        assert here > max(distance_db(vae, square.latent, frames) for frames in moved)


def test_frames_are_those_of_their_latents(monkeypatch):
    """Each latent says its own place: the first holds frame 0 alone, number t frames 4 t - 3 to 4 t."""

    def own_places(_network, batch, **_):
        return torch.stack(
            torch.meshgrid(*(torch.arange(n) for n in batch.clean.video.shape[2:]), indexing="ij")
        )[None]

    monkeypatch.setattr(redraw, "bring_back", own_places)
    acted = stage(SEED, redraw.KIND)
    painter, last = acted.painter(UPSCALE), (acted.num_frames - 1) // 4
    instants = set()
    for square in redraw.make_redrawn(range(SEED, SEED + 1), folder=SHIPPED):
        (before, t, then, after), row, column = square.latent[0, :, 0, 0], *square.latent[1:, 1, 0, 0]
        assert (before, then, after) == (max(t - 1, 0), t + 1, min(t + 2, last))
        y, x = int(row) * redraw.CELL, int(column) * redraw.CELL
        for number, frame in enumerate(square.frames):
            drawn = painter.draw(max(0, int(4 * t - 3 + number)))
            assert np.array_equal(frame, drawn[y : y + SIDE, x : x + SIDE])
        instants.add(t)
    assert len(instants) > 1


def test_a_seed_gives_the_same_squares_again(squares):
    again = list(redraw.make_redrawn(range(SEED, SEED + 1), folder=SHIPPED))
    for one, other in zip(squares, again, strict=True):
        assert np.array_equal(one.frames, other.frames)
        assert np.array_equal(one.latent, other.latent)
        assert one.face == other.face


def test_a_given_first_frame_stays_and_the_rest_strays_with_every_step(batch):
    network, clean = redraw.load_network(SHIPPED), batch.clean.video

    def brought_back(steps, *, given):
        generator = torch.Generator().manual_seed(0)
        return redraw.bring_back(network, batch, steps=steps, given=given, generator=generator)

    few, many, free = brought_back(1, given=True), brought_back(4, given=True), brought_back(4, given=False)
    assert torch.equal(many[:, :, :1], clean[:, :, :1])
    assert not torch.equal(free[:, :, :1], clean[:, :, :1])
    error = [(latent - clean)[:, :, 1:].square().mean() for latent in (few, many)]
    assert 0 < error[0] < error[1] < clean.square().mean()


def test_steps_on_what_a_network_says_draw_it_better(squares):
    vae = VideoVae.load(SHIPPED / "video_vae.safetensors")
    optimizer = AdamW(vae.decoder.parameters(), lr=2e-4)
    losses = [codec.redraw_step(vae, optimizer, squares[:2]).item() for _ in range(6)]
    assert losses[-1] < losses[0]


def test_a_folder_without_a_network_is_said_before_anything_is_drawn(tmp_path):
    with pytest.raises(WeightsMissing, match=r"video_vae\.safetensors"):
        codec.run(out=tmp_path, minutes=1.0, resume=False, network=tmp_path)
    assert not list(tmp_path.iterdir())

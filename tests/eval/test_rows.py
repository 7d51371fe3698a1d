"""The rows of the table that need no network: codec, colour pairs, starts; each is right about clips whose answer is known."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from happyhorse.eval.codec import edge_energy, measure_codec
from happyhorse.eval.first_frame import personas, read_start
from happyhorse.eval.swap import swap_pairs, try_swaps
from happyhorse.media.write import encode
from happyhorse.model.text import TextEncoder
from happyhorse.model.video_vae import BLOCK_VALUES, VideoVae, VideoVaeConfig

SIZE = (448, 256)


class Reader:
    """Stands where the instrument stands, and reads what the test wrote."""

    def __init__(self, found):
        self.found = list(found)

    def read(self, pictures):
        return self.found.pop(0)

    def mouths(self, pictures):
        return torch.zeros(len(pictures))


def clip(path, frames):
    encode(
        path, iter(frames), size=SIZE, audio=np.zeros((2, 48000 * len(frames) // 25), np.float32), metadata={}
    )


def test_edges_are_levels_a_pixel():
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 100
    assert edge_energy(stripes) == pytest.approx(50)
    assert edge_energy(np.full((8, 8, 3), 9, np.uint8)) == 0


def test_a_codec_that_keeps_more_measures_better():
    def made(channels):
        vae = VideoVae(VideoVaeConfig(channels, (8, 8, 8), (1, 1, 1), (8, 8, 8), (1, 1, 1)))
        basis = torch.zeros(BLOCK_VALUES, channels)
        for c in range(channels):  # flat colours, then colours of the block's halves
            rows = torch.zeros(4, 2, 8, 16, 3)
            rows[:, :, :, :, c % 3] = 1
            rows[:, 1] *= 1 if c < 3 else -1
            basis[:, c] = rows.flatten() / rows.norm()
        vae.fit(torch.zeros(BLOCK_VALUES), basis, torch.ones(channels))
        return vae.eval()

    coarse, finer = (measure_codec(made(channels), count=2) for channels in (3, 6))
    assert finer.scenes_db > coarse.scenes_db
    assert finer.leaves_db > coarse.leaves_db
    assert 0 < coarse.edges < finer.edges < 1


def test_both_prompts_of_a_pair_name_both_colours_each_the_other_way_round():
    reader = TextEncoder.load(Path(str(resources.files("happyhorse") / "weights/nano/text.safetensors")))
    for one, other in swap_pairs(20):
        assert one.colours == other.colours[::-1]
        read = [
            tuple(reading[name].value for name in ("hair_colour", "top_colour"))
            for reading in reader.read([one.prompt, other.prompt])
        ]
        assert read == [one.colours, other.colours]


def test_a_pair_is_right_when_both_clips_show_their_colours(tmp_path):
    pair = next(swap_pairs(1))
    right = [dict(zip(("hair_colour", "top_colour"), asked.colours, strict=True)) for asked in pair]
    prompts = []

    def make(prompt, seed, path):
        prompts.append(prompt)
        clip(path, [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 13)

    (good,) = try_swaps(make, Reader(right), folder=tmp_path, count=1)
    assert good.right
    assert prompts == [asked.prompt for asked in pair]
    (bad,) = try_swaps(make, Reader([right[0], right[0]]), folder=tmp_path, count=1)
    assert not bad.right


def test_a_clip_that_starts_elsewhere_and_jumps_is_told_from_one_that_does_not(tmp_path):
    _, picture = next(personas(1))
    small = np.asarray(Image.fromarray(picture).resize(SIZE))
    moving = [np.roll(small, i, axis=1) for i in range(13)]
    clip(tmp_path / "good.mp4", moving)
    clip(tmp_path / "jumps.mp4", [255 - small, *moving[1:]])
    good, jumps = (read_start(tmp_path / f"{name}.mp4", small, Reader([])) for name in ("good", "jumps"))
    assert good.psnr_db > 26
    assert jumps.psnr_db < 10
    assert good.jump == pytest.approx(1, abs=0.3)
    assert jumps.jump > 3

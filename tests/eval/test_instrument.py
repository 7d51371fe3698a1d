"""The instrument: it looks where the face is, and it learns to read the world."""

import numpy as np
import pytest
import torch

from happyhorse.eval.curves import correlation
from happyhorse.eval.instrument import READ, SIZE, Instrument, Place, crop
from happyhorse.eval.learn import draw_pictures, loss_on
from happyhorse.eval.nano import ALWAYS, Lips, Row, Table, held_out
from happyhorse.world.scene import ATTRIBUTES


def test_a_crop_is_centred_on_its_place_and_as_large_as_told():
    pictures = torch.zeros(1, 3, *SIZE)
    pictures[:, :, 60:80, 100:140] = 1.0
    place = Place.of_boxes([(100, 60, 140, 80)], width=SIZE[1], height=SIZE[0])
    assert place.middle[0].tolist() == pytest.approx([(120 - 112) / 128, (70 - 64) / 128])
    inside = crop(pictures, place, side=10, heads=0.9)
    assert inside.min() > 0.99
    around = crop(
        pictures, place, side=40, heads=4.0
    )  # 80 x 80 pixels: the box is a quarter high and half wide
    assert around.mean() == pytest.approx(1 / 8, abs=0.02)


def test_mouths_lie_below_the_middle_of_the_face():
    place = Place.of_boxes([(80, 20, 140, 100)], width=SIZE[1], height=SIZE[0])
    below = (place.mouths().middle - place.middle)[0].tolist()
    assert below == pytest.approx([0, 0.285 * 80 / 128])


def test_the_face_is_where_the_world_says():
    """The truth that the instrument learns from: skin in the middle of the box, the open mouth dark red below it."""
    drawn = draw_pictures(11, np.random.default_rng(0))
    faces = crop(drawn.pictures, Place(drawn.place.middle, drawn.place.head), side=4, heads=0.1)
    other = crop(drawn.pictures, Place(drawn.place.middle * 0 + 0.45, drawn.place.head), side=4, heads=0.1)
    assert (faces.mean((2, 3)) - other.mean((2, 3))).abs().max() > 0.1
    opened, dark = [], []
    for draw in map(talking, range(12)):
        lips = crop(draw.pictures, draw.place.mouths(), side=8, heads=0.15)
        opened += (draw.mouth - draw.mouth.mean()).tolist()
        dark += (-lips[:, 1].mean((1, 2)) + lips[:, 1].mean()).tolist()
    assert correlation(np.array(opened), np.array(dark)) > 0.5


def talking(seed):
    return draw_pictures(seed, np.random.default_rng(seed))


def test_it_learns(tmp_path):
    torch.manual_seed(0)
    instrument = Instrument()
    optimizer = torch.optim.AdamW(instrument.parameters(), lr=2e-3)
    drawn = [draw_pictures(seed, np.random.default_rng(seed)) for seed in range(2)]
    pictures = torch.cat([item.pictures for item in drawn])
    losses = []
    for _ in range(20):
        loss = loss_on(instrument, drawn, pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    instrument.eval().save(tmp_path / "i.safetensors")
    again = Instrument.load(tmp_path / "i.safetensors")
    assert torch.equal(again.mouths(pictures), instrument.mouths(pictures))
    assert set(again.read(pictures)) == set(READ) <= set(ATTRIBUTES)


def test_held_out_prompts_say_what_is_asked_of_them():
    items = list(held_out(6))
    assert len({item.prompt for item in items}) == 6
    for item in items:
        assert item.scene.line in item.prompt
        assert item.asked >= ALWAYS


def test_rows_of_a_poor_instrument_are_void_and_lags_are_held_to_the_worlds():
    assert Row("skin", 0.89, 1.0, 0.2, 9).void
    assert not Row("skin", 0.91, 0.2, 0.2, 9).void
    world = (Lips(0.7, -1), Lips(0.7, -1), Lips(0.7, 0))
    table = Table((), 0.95, world, (Lips(0.5, 1), Lips(0.3, -3), Lips(0.1, 2), Lips(0.2, -4)))
    assert table.in_time == 0.5
    assert table.mean_correlation == pytest.approx(0.275)
    assert not table.lips_void

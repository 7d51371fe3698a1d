"""Remarks on pictures: what is wrong is said, what is right is not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from happyhorse.media import quality
from happyhorse.media.read import probe


def scene(size=(1000, 700), seed=0):
    """Overlapping flat shapes with sharp edges, a soft sky and a little grain: like a photo or a drawing."""
    rng = np.random.default_rng(seed)
    down = np.linspace(0.9, 0.2, size[1])[:, None, None]
    picture = np.broadcast_to(down * np.array([0.6, 0.8, 1.0]), (size[1], size[0], 3)).copy()
    for _ in range(60):
        x, y, w, h = rng.integers((0, 0, 20, 20), (size[0] - 40, size[1] - 40, 300, 300))
        picture[y : y + h, x : x + w] = rng.random(3)
    picture += rng.normal(0, 0.01, picture.shape)
    return Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))


def as_jpeg(picture, quality):
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(io.BytesIO(data.getvalue()))


def remarks(image):
    return quality.remarks(image, quality.look(image.convert("RGB")))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("jpeg", [None, 95, 50])
def test_good_pictures_get_no_remark(seed, jpeg):
    picture = scene(seed=seed)
    assert remarks(as_jpeg(picture, jpeg) if jpeg else picture) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(5)), "blurred"),
        (lambda picture: as_jpeg(picture, 10), "full of compression blocks"),
        (lambda picture: picture.point(lambda value: value * 0.15), "dark"),
        (lambda picture: picture.point(lambda value: 225 + value * 0.11), "overexposed"),
        (lambda picture: picture.point(lambda value: 120 + value * 0.05), "flat"),
        (lambda picture: picture.resize((100, 70)).resize((1000, 700), Image.Resampling.BICUBIC), "blurred"),
    ],
)
def test_what_is_wrong_is_said(change, said):
    assert said in remarks(change(scene())).split(", ")


def test_any_size_and_a_single_colour_are_judged():
    for size in ((1, 1), (7, 300), (400, 20)):
        assert "flat" in remarks(Image.new("RGB", size, "teal"))


def test_a_probe_brings_the_remarks(tmp_path):
    path = tmp_path / "x.png"
    scene().filter(ImageFilter.GaussianBlur(6)).save(path)
    assert probe(path).remarks == "blurred"

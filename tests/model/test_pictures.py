"""First frames are cut in the middle and scaled; values become bytes as published."""

import numpy as np
import pytest
import torch

from happyhorse.model.pictures import crop_box, first_frame, fit, resize, to_bytes


@pytest.mark.parametrize(
    ("size", "target", "box"),
    [
        ((1280, 720), (448, 256), (10, 0, 1270, 720)),
        ((720, 1280), (448, 256), (0, 434, 720, 846)),
        ((500, 500), (256, 448), (108, 0, 392, 500)),
        ((448, 256), (448, 256), (0, 0, 448, 256)),
    ],
)
def test_the_crop_is_the_largest_middle_part(
    size: tuple[int, int], target: tuple[int, int], box: tuple[int, ...]
) -> None:
    assert crop_box(*size, target=target) == box


def test_a_first_frame_is_one_picture_between_minus_one_and_one() -> None:
    picture = np.zeros((40, 64, 3), np.uint8)
    picture[:, :8], picture[:, 56:] = 255, 255
    pixels = first_frame(picture, size=(32, 32))
    assert pixels.shape == (1, 3, 1, 32, 32)
    assert float(pixels.max()) < 0
    assert float(pixels.min()) == -1


def test_values_are_cut_off_and_not_rounded() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 0.9999, 1.0, 3.0]).view(1, 1, 1, 1, 6).expand(1, 3, 1, 1, 6)
    assert to_bytes(values)[0, 0, :, 0].tolist() == [0, 0, 127, 254, 255, 255]


def test_fitting_never_pads() -> None:
    pictures = torch.full((2, 32, 56, 3), 9, dtype=torch.uint8)
    pictures[:, :, 10:46] = 200
    fitted = fit(pictures, size=(48, 48))
    assert fitted.shape == (2, 48, 48, 3)
    assert int(fitted.min()) >= 199
    assert resize(pictures, size=(56, 32)) is pictures

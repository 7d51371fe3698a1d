import pytest

from happyhorse.engines.catalog import CATALOG
from happyhorse.shapes import (
    RATIOS,
    RESOLUTIONS,
    LatentShape,
    VideoShape,
    nearest_ratio,
    output_size,
    ratio_value,
)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_output_sizes_are_even_and_near_their_ratio(resolution, ratio):
    width, height = output_size(resolution, ratio)
    assert width % 2 == 0
    assert height % 2 == 0
    assert width / height == pytest.approx(ratio_value(ratio), rel=0.04)
    assert nearest_ratio(width, height) == ratio


def test_sixteen_to_nine_is_exact():
    assert output_size("720P", "16:9") == (1280, 720)
    assert output_size("1080P", "9:16") == (1080, 1920)


def test_five_seconds_are_32_latents_and_125_sounds():
    latent = VideoShape.of_seconds(5, height=128, width=224).latent()
    assert latent == LatentShape(32, 8, 14)
    assert latent.num_tokens == 32 * 28
    assert latent.num_frames == 125
    assert latent.audio().num_latents == 125


@pytest.mark.parametrize("seconds", range(3, 16))
def test_a_latent_grid_holds_every_frame_and_less_than_one_latent_more(seconds):
    latent = VideoShape.of_seconds(seconds, height=64, width=64).latent()
    assert 0 <= latent.num_frames - 25 * seconds < 4
    assert latent.audio().num_samples >= 48_000 * seconds


def test_a_side_that_is_no_multiple_of_32_is_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        VideoShape(25, height=100, width=64).latent()


@pytest.mark.parametrize("name", [name for name in CATALOG if CATALOG[name].base_sizes])
@pytest.mark.parametrize("ratio", RATIOS)
def test_base_sizes_make_whole_tokens_and_leave_enough_after_the_cut(name, ratio):
    width, height = CATALOG[name].base_sizes[ratio]
    VideoShape(25, height=height, width=width).latent()
    full_width, full_height = output_size("720P", ratio)
    kept = min(
        1.0, (full_width / full_height) / (width / height), (width / height) / (full_width / full_height)
    )
    assert kept * width * height >= 6_000

"""The contact sheet: frames at their times, sound under them."""

import numpy as np
import pytest
from PIL import Image

from happyhorse.contact import contact_sheet, heat, log_mel, wave_bounds
from happyhorse.errors import MediaError
from happyhorse.media.write import encode


def clip(path, *, size=(160, 90), seconds=4, sound=True):
    """Frame k has the grey level k; the sound is a burst of 1 kHz in the third second only."""
    pictures = (np.full((size[1], size[0], 3), number + 50, np.uint8) for number in range(seconds * 25))
    burst = np.zeros((1, seconds * 48000), np.float32)
    burst[0, 96000:144000] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)
    encode(path, pictures, size=size, audio=burst if sound else None, metadata={})
    return path


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """Four columns, one row."""
    folder = tmp_path_factory.mktemp("contact")
    out = contact_sheet(clip(folder / "x.mp4"), folder / "sheet.png", columns=4, rows=1)
    return np.asarray(Image.open(out).convert("RGB")).astype(int)


def test_each_column_shows_the_frame_in_the_middle_of_its_span(sheet):
    pictures = [sheet[60, 24 + column * 310 + 150, 0] for column in range(4)]
    assert pictures == pytest.approx([50 + 12, 50 + 37, 50 + 62, 50 + 87], abs=2)


def test_sound_stands_under_the_frames_it_goes_with(sheet):
    strip = sheet[44 + 171 + 6 : 44 + 171 + 6 + 150]
    bright = [
        (strip[:, 21 + c * 310 + 20 : 21 + (c + 1) * 310 - 20].max(axis=2) > 200).mean() for c in range(4)
    ]
    assert bright[2] > 5 * max(bright[0], bright[1], bright[3])


@pytest.mark.parametrize("size", [(64, 150), (300, 128)])
@pytest.mark.parametrize("sound", [True, False])
def test_any_ratio_with_or_without_sound_fits_on_a_page(tmp_path, size, sound):
    out = contact_sheet(
        clip(tmp_path / "x.mp4", size=size, seconds=3, sound=sound), tmp_path / "s.png", rows=1
    )
    with Image.open(out) as sheet:
        assert sheet.format == "PNG"
        assert 400 < sheet.width < 1700
        assert sheet.height < 600


def test_a_sheet_of_something_else_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "x.mp4").write_text("no film")
    with pytest.raises(MediaError, match=r"file: x\.mp4"):
        contact_sheet(tmp_path / "x.mp4", tmp_path / "s.png")
    with pytest.raises(MediaError, match="output: the folder"):
        contact_sheet(clip(tmp_path / "y.mp4", seconds=3), tmp_path / "gone" / "s.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.mp4", "y.mp4"]


@pytest.mark.parametrize(
    ("name", "said"), [("x.mp4", r"must be a name that ends in \.png"), ("x.png", "itself")]
)
def test_a_sheet_never_takes_the_place_of_its_clip(tmp_path, name, said):
    path = clip(tmp_path / "x.mp4", seconds=3).rename(tmp_path / name)
    before = path.read_bytes()
    with pytest.raises(MediaError, match=said) as caught:
        contact_sheet(path, path)
    assert caught.value.field == "output"
    assert path.read_bytes() == before


def test_a_tone_lights_its_own_mel_line():
    centres = np.array([24000.0])
    peaks = [
        int(
            log_mel(
                0.5 * np.sin(2 * np.pi * hz * np.arange(48000) / 48000).astype(np.float32), centres
            ).argmax()
        )
        for hz in (100, 400, 1000, 4000, 12000)
    ]
    assert peaks == sorted(set(peaks))


def test_the_waveform_keeps_its_extremes():
    sound = np.zeros(1000, np.float32)
    sound[333], sound[666] = 0.7, -0.4
    low, high = wave_bounds(sound, np.linspace(0, 1000, 101))
    assert (int(high.argmax()), int(low.argmin())) == (33, 66)
    assert high.max() == pytest.approx(0.7)
    assert low.min() == pytest.approx(-0.4)


def test_louder_is_brighter():
    picture = heat(np.linspace(-120, 0, 50)[None])
    assert (np.diff(picture[0].astype(int).sum(axis=1)) >= 0).all()

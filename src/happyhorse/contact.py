"""A contact sheet: a clip on one page, frames above the sound that goes with them.

Every column is a span of time. Its picture is the frame in the middle of the span; right under it lie the waveform and
the log-mel spectrogram of the same span, so lips and voice, door and slam can be compared by eye.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from happyhorse.errors import MediaError
from happyhorse.media.read import decode_audio, decode_video, probe
from happyhorse.media.write import placed, writable
from happyhorse.shapes import FPS, SAMPLE_RATE, MediaInfo

MAX_SECONDS = 60.0
_CELL = (304, 300)  # width and greatest height of a picture, px
_GAP, _MARGIN, _HEADER, _WAVE, _MEL, _ROW_GAP = 6, 24, 44, 56, 96, 22
_NUM_MELS, _FFT = 96, 2048
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 16_000.0
_FLOOR_DB, _TOP_DB = -96.0, -18.0
_BACK, _STRIP, _TEXT, _WEAK, _ACCENT = (
    (17, 18, 22),
    (26, 28, 34),
    (236, 236, 240),
    (140, 144, 156),
    (255, 176, 84),
)
_HEAT = np.array([(14, 12, 28), (62, 24, 98), (150, 44, 108), (228, 92, 66), (250, 176, 64), (255, 250, 214)])


def contact_sheet(path: Path, out: Path, *, columns: int = 5, rows: int = 2) -> Path:
    """Write a PNG of columns x rows evenly spaced frames of the first 60 s, each over its sound; return `out`.

    Raises: MediaError when `path` is not a readable video, `out` does not end in .png or cannot be written, or is
    `path` itself.
    """
    if columns < 1 or rows < 1:
        raise ValueError(f"columns and rows must be at least 1; got {columns} and {rows}")
    if out.suffix.lower() != ".png":
        raise MediaError(f"output must be a name that ends in .png; got '{out}'", field="output")
    writable(out)
    if out.exists() and path.exists() and out.samefile(path):
        raise MediaError(f"output '{out}' is the clip itself and would be overwritten", field="output")
    info = probe(path, kind="video", field="file")
    frames = decode_video(path, max_seconds=MAX_SECONDS, size=_cell_size(info), field="file")
    sound = decode_audio(path, max_seconds=len(frames) / FPS, channels=1)[0] if info.has_audio else None
    sheet = _draw(frames, sound, info, columns=columns, rows=rows)
    with placed(out) as temporary:
        sheet.save(temporary, format="PNG")
    return out


def _cell_size(info: MediaInfo) -> tuple[int, int]:
    if min(info.width, info.height) < 1:
        raise MediaError(f"file: {info.path} has no size ({info.width}x{info.height})", field="file")
    scale = min(_CELL[0] / info.width, _CELL[1] / info.height)
    return max(1, round(info.width * scale)), max(1, round(info.height * scale))


def _draw(
    frames: NDArray[np.uint8], sound: NDArray[np.float32] | None, info: MediaInfo, *, columns: int, rows: int
) -> Image.Image:
    height, width = frames.shape[1:3]
    pitch = max(width, 120) + _GAP
    row_height = height + _WAVE + _MEL + 2 * _GAP + _ROW_GAP
    size = (columns * pitch - _GAP + 2 * _MARGIN, _HEADER + rows * row_height + _MARGIN // 2)
    sheet = Image.new("RGB", size, _BACK)
    _header(sheet, info)
    seconds = len(frames) / FPS
    span = seconds / (columns * rows)
    for row in range(rows):
        top = _HEADER + row * row_height
        strip = (_MARGIN - _GAP // 2, top + height + _GAP, columns * pitch)
        _sound(sheet, sound, strip, start=row * columns * span, end=(row + 1) * columns * span)
        for column in range(columns):
            middle = (row * columns + column + 0.5) * span
            left = _MARGIN + column * pitch + (pitch - _GAP - width) // 2
            number = min(len(frames) - 1, int(middle * FPS))
            sheet.paste(Image.fromarray(frames[number]), (left, top))
            _label(sheet, (left, top + height), f"{number / FPS:.2f} s")
            tick = strip[0] + column * pitch
            time = f"{(row * columns + column) * span:.1f}"
            ImageDraw.Draw(sheet).text(
                (tick, top + height + _WAVE + _MEL + 2 * _GAP), time, fill=_WEAK, font=_font(12)
            )
    return sheet


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _header(sheet: Image.Image, info: MediaInfo) -> None:
    draw = ImageDraw.Draw(sheet)
    sound = "with sound" if info.has_audio else "no sound"
    facts = (
        f"{info.width}x{info.height}   {info.fps:.4g} fps   {info.duration_s:.2f} s   {info.codec}   {sound}"
    )
    facts_left = sheet.width - _MARGIN - draw.textlength(facts, font=_font(14))
    name = "".join(character for character in Path(info.path).name if character.isprintable())
    while len(name) > 1 and _MARGIN + draw.textlength(name, font=_font(17)) > facts_left - _MARGIN:
        name = name[:-2] + "…"
    draw.text((_MARGIN, _HEADER // 2), name, fill=_TEXT, font=_font(17), anchor="lm")
    draw.text((facts_left, _HEADER // 2), facts, fill=_WEAK, font=_font(14), anchor="lm")


def _label(sheet: Image.Image, corner: tuple[int, int], text: str) -> None:
    """Write the time on a small plate in the lower left corner of a picture."""
    draw = ImageDraw.Draw(sheet)
    width = round(draw.textlength(text, font=_font(13))) + 10
    draw.rectangle((corner[0], corner[1] - 20, corner[0] + width, corner[1] - 1), fill=_BACK)
    draw.text((corner[0] + 5, corner[1] - 10), text, fill=_TEXT, font=_font(13), anchor="lm")


def _sound(
    sheet: Image.Image,
    sound: NDArray[np.float32] | None,
    strip: tuple[int, int, int],
    *,
    start: float,
    end: float,
) -> None:
    """Draw waveform and spectrogram of the seconds from start to end; strip is left, top and width in px."""
    left, top, width = strip
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + width - 1, top + _WAVE - 1), fill=_STRIP)
    mel_top = top + _WAVE + _GAP // 2
    draw.rectangle((left, mel_top, left + width - 1, mel_top + _MEL - 1), fill=_STRIP)
    if sound is None:
        draw.text(
            (left + width // 2, top + (_WAVE + _MEL) // 2),
            "no sound",
            fill=_WEAK,
            font=_font(16),
            anchor="mm",
        )
        return
    edges = np.linspace(start * SAMPLE_RATE, end * SAMPLE_RATE, width + 1)
    low, high = wave_bounds(sound, edges)
    middle, half = top + _WAVE / 2, _WAVE / 2 - 2
    for column in range(width):
        above, below = middle - high[column] * half, middle - low[column] * half
        draw.line((left + column, above, left + column, max(below, above + 1)), fill=_ACCENT)
    picture = Image.fromarray(heat(log_mel(sound, (edges[:-1] + edges[1:]) / 2)))
    sheet.paste(picture.resize((width, _MEL), Image.Resampling.BICUBIC), (left, mel_top))


def wave_bounds(
    sound: NDArray[np.float32], edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest sample between each pair of edges (in samples), clipped to [-1, 1]."""
    padded = np.append(np.clip(sound[: int(edges[-1])], -1, 1), 0.0)
    starts = np.clip(edges[:-1].astype(int), 0, len(padded) - 1)
    return np.minimum.reduceat(padded, starts), np.maximum.reduceat(padded, starts)


def log_mel(sound: NDArray[np.float32], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (mels, n) in decibels below full scale, one column around each centre (in samples), low notes first."""
    padded = np.pad(sound.astype(np.float64), (_FFT // 2, _FFT))
    starts = np.clip(centres.astype(int), 0, len(sound))
    window = np.hanning(_FFT)
    blocks = padded[starts[:, None] + np.arange(_FFT)] * window
    power = (np.abs(np.fft.rfft(blocks)) * 2 / window.sum()) ** 2
    decibels: NDArray[np.float64] = 10 * np.log10(_mel_bank() @ power.T + 1e-12)
    return decibels


def _mel_bank() -> NDArray[np.float64]:
    """Triangles on the mel scale (O'Shaughnessy), (mels, fft bins)."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    corners = 700 * (10 ** (np.linspace(low, high, _NUM_MELS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    rising = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    # Low triangles are narrower than a bin; each takes at least the bin nearest to its centre.
    nearest = np.abs(bins - corners[1:-1, None]).argmin(axis=1)
    bank: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    bank[np.arange(_NUM_MELS), nearest] = np.maximum(bank[np.arange(_NUM_MELS), nearest], 0.5)
    return bank


def heat(decibels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colour (mels, n) as a picture (mels, n, 3) with the low notes at the bottom."""
    level = np.clip((decibels[::-1] - _FLOOR_DB) / (_TOP_DB - _FLOOR_DB), 0, 1)
    stops = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(level, stops, _HEAT[:, c]) for c in range(3)], axis=-1).astype(np.uint8)

"""Small pictures and films that the tests of this folder damage and read."""

from fractions import Fraction

import av
import numpy as np

LEFT, RIGHT = (200, 30, 40), (20, 60, 210)


def two_colours(width=64, height=48):
    """Left half LEFT, right half RIGHT, so that turning, mirroring and colour show."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :] = LEFT, RIGHT
    return picture


def film(
    path, *, codec="libx264", rate=25, times=None, seconds=1, size=(64, 48), turn=None, sound=None, **options
):
    """A video whose frame k is grey level 10 k (mod 250) beside the two colours; `times` are pts in 1/1000 s."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.max_b_frames = 0
        if turn is not None:
            stream.set_display_rotation(turn)
        if sound is not None:
            track = container.add_stream("aac", rate=48000, layout="mono")
        picture = two_colours(*size)
        for number, pts in enumerate(times or [round(k * 1000 / rate) for k in range(round(seconds * rate))]):
            picture[size[1] // 2 :] = number * 10 % 250
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            block = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(track.encode(block))
            container.mux(track.encode(None))
    return path


def tone(seconds, rate=48000, hz=440.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)

"""Inputs from strangers: what works, what is refused and in which words. All files are made here."""

import io
import itertools
import json
import os
import struct
import subprocess
import sys
import time
import wave
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from films import LEFT, RIGHT, film, tone, two_colours
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from happyhorse.errors import EngineError, MediaError
from happyhorse.media import sandbox
from happyhorse.media.forkserver import ForkServer
from happyhorse.media.read import decode_audio, decode_image, decode_video, probe
from happyhorse.media.sandbox import Call


def near(pixel, colour, by=12):
    return np.abs(np.asarray(pixel, int) - np.asarray(colour, int)).max() <= by


def save(path, picture=None, **options):
    image = Image.fromarray(two_colours() if picture is None else picture)
    image.save(path, **options)
    return path


def wav(path, samples, rate=48000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def refusal(call, *args, **kwargs):
    with pytest.raises(MediaError) as caught:
        call(*args, **kwargs)
    message = caught.value.message
    assert "\n" not in message
    assert len(message) < 300
    return message


# ---- files that are no files


def test_missing_directory_and_empty_are_named(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "image: " in refusal(probe, tmp_path / "gone.png", field="image")
    assert "does not exist" in refusal(probe, tmp_path / "gone.png")
    assert "is a directory" in refusal(probe, tmp_path)
    assert "is empty (0 bytes)" in refusal(probe, tmp_path / "empty.png")


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in refusal(probe, tmp_path / "pipe.png")


def test_a_file_beyond_the_read_limit_is_refused_unread(tmp_path):
    with (tmp_path / "big.mp4").open("wb") as file:
        file.truncate(300_000_000)
    assert "has 300 MB; at most 200 MB" in refusal(probe, tmp_path / "big.mp4")


def test_content_counts_not_the_name(tmp_path):
    text = tmp_path / "photo.png"
    text.write_text("this is no picture, sorry\n" * 20)
    assert "not an image but text" in refusal(probe, text, kind="image")
    assert "not an image but text" in refusal(decode_image, text)
    picture = save(tmp_path / "photo.mp4", format="PNG")
    assert probe(picture).format == "png"
    assert "a video is needed" in refusal(probe, picture, kind="video")


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other}\n",
        "<svg xmlns='http://www.w3.org/2000/svg'><image href='{other}'/></svg>",
    ],
)
def test_a_playlist_cannot_open_another_file(tmp_path, content):
    other = film(tmp_path / "other.mp4")
    list_file = tmp_path / "list.mp4"
    list_file.write_text(content.format(other=other))
    assert "text" in refusal(probe, list_file)
    assert "text" in refusal(decode_video, list_file)


# ---- images


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP"])
def test_each_published_image_format_reads(tmp_path, name):
    path = save(tmp_path / "x.bin", format=name)
    info = probe(path, kind="image")
    assert (info.kind, info.format, info.width, info.height, info.num_frames) == (
        "image",
        name.lower(),
        64,
        48,
        1,
    )
    assert info.size_bytes == path.stat().st_size
    picture = decode_image(path)
    assert picture.shape == (48, 64, 3)
    assert near(picture[10, 10], LEFT)
    assert near(picture[10, 50], RIGHT)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.6])
def test_truncated_images_are_refused(tmp_path, name, share):
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    whole = save(tmp_path / "whole", noise, format=name).read_bytes()
    path = tmp_path / "cut.png"
    path.write_bytes(whole[: int(len(whole) * share)])
    for call in (probe, decode_image):
        assert "truncated" in refusal(call, path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_a_truncated_picture_is_refused_in_our_words(tmp_path, name, share):
    """A smooth one too: Pillow reads on to the end of a PNG when it is asked for the orientation."""
    whole = save(tmp_path / "whole", two_colours(640, 480), format=name).read_bytes()
    path = tmp_path / "cut.png"
    path.write_bytes(whole[: int(len(whole) * share)])
    for call in (probe, decode_image):
        message = refusal(call, path)
        assert "truncated" in message
        assert "Error" not in message


def test_a_tiny_image_can_be_probed(tmp_path):
    assert probe(save(tmp_path / "x.png", two_colours(10, 10))).width == 10


def test_a_header_that_declares_a_huge_image_is_refused_before_decoding(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000))
    (tmp_path / "bomb.png").write_bytes(bomb + chunk(b"IEND", b""))
    start = time.monotonic()
    for call in (probe, decode_image):
        message = refusal(call, tmp_path / "bomb.png")
        assert "declares 30000x30000 pixels; at most 100 megapixels" in message
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_animations_are_counted_and_refused_as_stills(tmp_path, name):
    frames = [Image.fromarray(np.full((40, 40, 3), level, np.uint8)) for level in (0, 90, 200)]
    path = tmp_path / "x.bin"
    frames[0].save(path, format=name, save_all=True, append_images=frames[1:], duration=100)
    assert probe(path).num_frames == 3
    assert "is animated (3 frames); a still image is needed" in refusal(decode_image, path)


def test_a_phone_photo_with_a_preview_inside_is_one_image(tmp_path):
    path = tmp_path / "x.jpg"
    preview = Image.fromarray(two_colours(16, 12))
    Image.fromarray(two_colours()).save(path, format="MPO", save_all=True, append_images=[preview])
    assert (probe(path).format, probe(path).num_frames) == ("jpeg", 1)
    assert near(decode_image(path)[10, 10], LEFT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(tmp_path, orientation):
    stored = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    upright = two_colours()
    upright[:10] = 255
    image = Image.fromarray(upright)
    for step in stored:
        image = image.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "x.png", exif=exif)
    info = probe(tmp_path / "x.png")
    assert (info.width, info.height) == (64, 48)
    assert np.array_equal(decode_image(tmp_path / "x.png"), upright)


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P", "LA", "RGBA", "PA", "YCbCr"])
def test_colour_modes_become_rgb(tmp_path, mode):
    colourless = mode in ("L", "1", "LA")
    source = np.full((48, 64, 3), 255, np.uint8) if colourless else two_colours()
    image = Image.fromarray(source).convert(mode)
    form = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG" if mode != "PA" else "WEBP"
    image.save(tmp_path / "x", format=form, quality=95)
    picture = decode_image(tmp_path / "x")
    assert near(picture[24, 10], source[24, 10], 60 if mode in ("CMYK", "P", "PA") else 12)


def test_transparency_shows_white(tmp_path):
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[:, :10] = (255, 0, 0, 255)
    picture[:, 10:] = (0, 0, 0, 0)
    Image.fromarray(picture).save(tmp_path / "x.png")
    palette = Image.fromarray(picture).convert("P")
    palette.save(tmp_path / "p.png", transparency=palette.getpixel((15, 5)))
    for name in ("x.png", "p.png"):
        decoded = decode_image(tmp_path / name)
        assert near(decoded[5, 5], (255, 0, 0), 2)
        assert near(decoded[5, 15], (255, 255, 255), 2)


def test_sixteen_bits_keep_their_range(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, 0)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    assert np.array_equal(decode_image(tmp_path / "x.png")[0, :, 0], np.arange(256))


def test_a_colour_profile_is_applied(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path = save(tmp_path / "x.png", icc_profile=b"broken" + profile)
    assert near(decode_image(path)[10, 10], LEFT, 1)  # a broken profile is passed over


def test_a_crop_is_in_upright_pixels_and_large_images_are_scaled(tmp_path):
    picture = two_colours(640, 480)
    path = save(tmp_path / "x.png", picture)
    assert np.array_equal(decode_image(path, crop=(300, 100, 40, 30)), picture[100:130, 300:340])
    assert decode_image(path, max_side=320).shape == (240, 320, 3)


# ---- video


@pytest.mark.parametrize(
    ("codec", "name", "form"),
    [("libx264", "h264", "mp4"), ("libx265", "hevc", "mp4"), ("libvpx-vp9", "vp9", "webm"), ("libvpx-vp9", "vp9", "mp4"),
     ("libx264", "h264", "mov"), ("mpeg4", "mpeg4", "mp4"), ("libx264", "h264", "matroska")],
)  # fmt: skip
def test_codecs_and_containers_read(tmp_path, codec, name, form):
    path = film(tmp_path / "clip", codec=codec, format=form)
    info = probe(path, kind="video")
    assert (info.codec, info.width, info.height, info.num_frames) == (name, 64, 48, 25)
    assert info.format == ("webm" if form == "matroska" else form)
    assert info.duration_s == pytest.approx(1.0, abs=0.05)
    frames = decode_video(path)
    assert frames.shape == (25, 48, 64, 3)
    assert near(frames[3, 10, 10], LEFT, 25)
    assert [near(frames[k, 40, 30], (k * 10,) * 3, 8) for k in (1, 12, 24)] == [True] * 3


def test_eight_frames_a_second_become_twenty_five(tmp_path):
    path = film(tmp_path / "x.mp4", rate=8, seconds=3)
    info = probe(path)
    assert info.fps == pytest.approx(8.0, abs=0.05)
    assert info.duration_s == pytest.approx(3.0, abs=0.05)
    frames = decode_video(path)
    assert len(frames) == 75
    shown = [int(((k + 0.5) / 25) * 8) for k in range(75)]
    assert all(near(frames[k, 40, 30], (number * 10,) * 3, 6) for k, number in enumerate(shown))


def test_a_variable_rate_keeps_its_times(tmp_path):
    times = [0, 40, 80, 500, 540, 1000, 1700, 1960]
    frames = decode_video(film(tmp_path / "x.mp4", times=times))
    assert abs(len(frames) - 50) <= 1
    for k in range(48):
        number = max(n for n, pts in enumerate(times) if pts <= (k + 0.5) * 40)
        assert near(frames[k, 40, 30], (number * 10,) * 3, 6)


@pytest.mark.parametrize("turn", [90, -90, 180])
def test_a_display_matrix_is_followed(tmp_path, turn):
    path = film(tmp_path / "x.mp4", turn=turn)
    info, frames = probe(path), decode_video(path, max_seconds=0.2)
    size = (64, 48) if turn == 180 else (48, 64)
    assert (info.width, info.height) == size
    assert frames.shape == (5, size[1], size[0], 3)
    expected = np.rot90(two_colours(), turn // 90)
    corners = itertools.product((2, -3), (2, -3))
    painted = np.rot90(np.arange(48)[:, None].repeat(64, 1), turn // 90) < 24  # the other half is the counter
    assert all(near(frames[0][c], expected[c], 25) for c in corners if painted[c])


def test_frames_are_scaled_to_the_asked_size_and_cut_at_the_asked_length(tmp_path):
    frames = decode_video(film(tmp_path / "x.mp4", seconds=2), max_seconds=1, size=(32, 30))
    assert frames.shape == (25, 30, 32, 3)


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_videos_are_refused(tmp_path, front, share):
    noise = np.random.default_rng(0).integers(0, 255, (25, 128, 128, 3), dtype=np.uint8)
    options = {"options": {"movflags": "faststart"}} if front else {}
    with av.open(str(tmp_path / "x.mp4"), "w", **options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for picture in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    whole = (tmp_path / "x.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * share)])
    assert "truncated" in refusal(probe, tmp_path / "cut.mp4", kind="video")


def test_a_truncated_webm_is_refused(tmp_path):
    whole = film(tmp_path / "x.webm", codec="libvpx-vp9", seconds=3).read_bytes()
    (tmp_path / "cut.webm").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refusal(probe, tmp_path / "cut.webm", kind="video")


def test_sound_alone_is_no_video(tmp_path):
    path = wav(tmp_path / "x.mp4", tone(1))
    assert "a video is needed" in refusal(probe, path, kind="video")
    assert "has no video stream (found: audio)" in refusal(decode_video, path)


def test_a_video_without_frames_is_refused(tmp_path):
    whole = film(tmp_path / "x.mp4").read_bytes()
    start = whole.index(b"stsz") + 12
    (tmp_path / "none.mp4").write_bytes(whole[:start] + b"\0\0\0\0" + whole[start + 4 :])
    refusal(probe, tmp_path / "none.mp4", kind="video")
    refusal(decode_video, tmp_path / "none.mp4")


def test_a_codec_off_the_list_is_named(tmp_path):
    path = film(tmp_path / "x.mov", codec="ffv1", format="matroska")
    assert "codec ffv1; allowed are h264, hevc" in refusal(probe, path)


# ---- sound


def test_sound_reads_from_wav_and_mp4_at_the_asked_rate(tmp_path):
    samples = decode_audio(wav(tmp_path / "x.wav", tone(1.5, 22050), 22050))
    assert samples.shape == (2, 72000)
    assert np.abs(samples[0] - tone(1.5))[200:-200].max() < 0.02
    mono = decode_audio(wav(tmp_path / "y.wav", tone(1)), channels=1, sample_rate=16000, max_seconds=0.5)
    assert mono.shape == (1, 8000)
    info = probe(tmp_path / "x.wav", kind="audio")
    assert (info.kind, info.codec, info.has_audio) == ("audio", "pcm_s16le", True)
    assert info.duration_s == pytest.approx(1.5, abs=0.001)


def test_silence_is_sound(tmp_path):
    path = wav(tmp_path / "x.wav", np.zeros(48000))
    assert probe(path, kind="audio").duration_s == pytest.approx(1.0)
    assert not decode_audio(path).any()


def test_how_long_a_sound_is_silent_at_its_beginning_is_said(tmp_path):
    late = np.concatenate([np.full(36000, 2 / 32767), tone(0.5)])  # two steps of 16 bits are not heard
    for path in (wav(tmp_path / "x.wav", late), film(tmp_path / "x.mp4", sound=late)):
        assert probe(path).silent_s == pytest.approx(0.75, abs=0.05), path.suffix
    assert probe(wav(tmp_path / "at_once.wav", tone(1))).silent_s < 0.01
    nothing = np.zeros(24000)
    for path in (wav(tmp_path / "none.wav", nothing), film(tmp_path / "shorter.mp4", sound=nothing)):
        info = probe(path)
        assert info.has_audio
        assert info.silent_s >= info.duration_s > 0.4
    assert probe(film(tmp_path / "mute.mp4")).silent_s == 0


def test_video_without_sound_and_noise_without_form_are_refused_as_sound(tmp_path):
    assert "has no sound stream" in refusal(decode_audio, film(tmp_path / "x.mp4"))
    assert refusal(probe, tmp_path / "x.mp4", kind="audio") == "file: x.mp4 has no sound"
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(1).bytes(20000))
    assert "noise.wav" in refusal(probe, tmp_path / "noise.wav", kind="audio")
    (tmp_path / "text.wav").write_text("la la la " * 100)
    assert "text.wav is text, not a readable sound file; allowed are WAV" in refusal(
        probe, tmp_path / "text.wav", kind="audio"
    )


def test_a_truncated_wav_is_refused(tmp_path):
    whole = wav(tmp_path / "x.wav", tone(2)).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refusal(probe, tmp_path / "cut.wav", kind="audio")


def test_the_sound_of_a_video_is_aligned_with_its_pictures(tmp_path):
    click = np.zeros(48000)
    click[24000:24020] = 0.9
    path = film(tmp_path / "x.mp4", sound=click)
    assert probe(path).has_audio
    samples = decode_audio(path, channels=1)[0]
    assert len(samples) == 48000
    assert abs(int(np.abs(samples).argmax()) - 24010) < 100


# ---- the reader process


def test_a_reader_that_hangs_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "_wall_s", lambda call: 0.01)
    path = save(tmp_path / "x.png")
    with pytest.raises(MediaError, match="takes more than"), sandbox.open_input(path, "image") as file:
        sandbox.read(file, Call("probe"), field="image")


def test_a_server_of_forks_that_was_killed_is_replaced_and_one_that_cannot_start_is_said(tmp_path):
    path = save(tmp_path / "x.png")
    assert probe(path).width == 64
    server = sandbox._READERS._process
    server.kill()
    server.wait()
    assert probe(path).width == 64
    with pytest.raises(EngineError, match=r"the media reader did not start: .*No module named"):
        ForkServer("happyhorse.media.absent").fork(b"{}", [])


def test_many_files_are_read_at_once_each_by_a_process_of_its_own(tmp_path):
    paths = [save(tmp_path / f"{side}.png", two_colours(side, side)) for side in range(40, 60)]
    with ThreadPoolExecutor(8) as pool:
        assert [info.width for info in pool.map(probe, paths)] == list(range(40, 60))


def test_a_fork_of_this_process_reads_with_a_server_of_its_own(tmp_path):
    path = save(tmp_path / "x.png")
    assert probe(path).width == 64
    child = os.fork()
    if child == 0:
        os._exit(probe(path).width)
    assert probe(path).width == 64
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 64


def test_the_reader_sees_no_environment_and_limits_itself():
    limits = "import json,os,sys,resource as r,happyhorse.media.worker as w; w.limit_self(7); "
    limits += "found = [dict(os.environ), r.getrlimit(r.RLIMIT_AS), r.getrlimit(r.RLIMIT_CPU), 'torch' in sys.modules];"
    limits += "print(json.dumps(found))"
    said = subprocess.run(
        [sys.executable, "-c", limits], capture_output=True, check=True, env={}, timeout=60
    ).stdout
    environment, memory, cpu, torch = json.loads(said)
    assert set(environment) <= {"LC_CTYPE"}
    assert memory == [3 << 30] * 2
    assert cpu == [7, 7]
    assert not torch


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_never_raise_anything_but_media_errors(tmp_path, data):
    source = io.BytesIO()
    form = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP"]))
    Image.fromarray(two_colours()).save(source, format=form)
    content = bytearray(source.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = Path(tmp_path) / "x"
    path.write_bytes(bytes(content))
    try:
        decode_image(path)
    except MediaError as err:
        message = err.message
    else:
        message = "image: x is fine"
    assert message.startswith("image: x ")

"""Inside the reader process: open, judge and decode video and sound with ffmpeg's libraries.

ffmpeg gets an open file, never a name, and may try only the containers and codecs listed here, so a playlist cannot make
it open another file or a URL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import BinaryIO

import av
import av.container
import av.error
import numpy as np

from happyhorse.media.content import READABLE, Answer, Refused, Request, looks_like
from happyhorse.shapes import FPS, MAX_DURATION_S

MAX_VIDEO_PX = 8192 * 4320
MAX_SOUND_S = 600.0
_JUDGED_HZ = 16_000
"""The rate at which a sound is decoded only to see that it can be, and where it begins."""
SILENCE = 1e-4
"""Nothing louder than this, of full scale 1, is heard: -80 dB."""

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,mp3,ogg,flac,aac"
VIDEO_CODECS = ("h264", "hevc", "vp8", "vp9", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "prores")
SOUND_CODECS = (
    *("aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "ac3", "eac3"),
    *("pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
    *("pcm_alaw", "pcm_mulaw"),
)


def open_container(file: BinaryIO, head: bytes, kind: str) -> av.container.InputContainer:
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
    options["codec_whitelist"] = ",".join((*VIDEO_CODECS, *SOUND_CODECS))
    found = looks_like(head)
    try:
        return av.open(file, "r", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as err:
        if found in ("MP4/MOV", "Matroska/WEBM", "WAV"):
            raise Refused(f"is truncated or damaged: the index of this {found} file cannot be read") from err
        kinds = [kind] if kind else list(READABLE)
        allowed = "; ".join(READABLE[name] for name in kinds)
        names = {"audio": "sound"}
        wanted = " or ".join(names.get(name, name) for name in kinds)
        raise Refused(f"is {found}, not a readable {wanted} file; allowed are {allowed}") from err


def picture_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The first real video stream; cover art does not count."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def check_codec(
    stream: av.video.stream.VideoStream | av.audio.stream.AudioStream, allowed: tuple[str, ...]
) -> str:
    decoder, name = _decoder(stream)
    if decoder not in allowed:
        raise Refused(f"uses the {stream.type} codec {name}; allowed are {', '.join(allowed[:7])} and others")
    return name


def _decoder(stream: av.video.stream.VideoStream | av.audio.stream.AudioStream) -> tuple[str, str]:
    """The names of what decodes a stream, and of its codec."""
    try:
        return stream.codec_context.codec.name, stream.codec_context.codec.canonical_name
    except (AttributeError, ValueError):
        return "unknown", "unknown"


def packets(
    container: av.container.InputContainer, stream: av.stream.Stream
) -> Iterator[av.Packet[av.stream.Stream]]:
    """Yield the packets of a stream that are meant to be shown. Raises: Refused where the file stops early."""
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.is_corrupt:
                raise Refused("is truncated: its data stop in the middle of a frame")
            yield packet
    except av.error.FFmpegError as err:
        raise Refused(f"is damaged: {err.strerror or 'its data cannot be read'}") from err


def seconds(ticks: int | None, base: Fraction | None) -> float:
    return float(ticks * base) if ticks is not None and base is not None else 0.0


def describe_video(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    opened: Callable[[], av.container.InputContainer],
) -> Answer:
    """Judge a video by its packets and by decoding as much as a job may use, not by what its header promises.

    `opened` gives the same file from its beginning, as a job will read it: after a seek damage may be jumped over.
    """
    codec = check_codec(stream, VIDEO_CODECS)
    check_pixels(stream)
    first, last, count = None, 0.0, 0
    step = float(1 / stream.average_rate) if stream.average_rate else 1.0 / FPS
    for packet in packets(container, stream):
        pts = seconds(packet.pts if packet.pts is not None else packet.dts, stream.time_base)
        first = pts if first is None else min(first, pts)
        last = max(last, pts + (seconds(packet.duration, stream.time_base) or step))
        count += 1
    if first is None:
        raise Refused("has a video stream without a single frame")
    duration = last - first
    promised = seconds(stream.duration, stream.time_base) or (container.duration or 0) / av.time_base
    has_audio = bool(container.streams.audio)
    missing = promised - duration
    if missing > (1.0 if has_audio and not stream.duration else 0.3) and missing > 2 * step:
        raise Refused(f"is truncated: it declares {promised:.2f} s and holds {duration:.2f} s")
    picture = _first_picture(opened(), until=first + MAX_DURATION_S)
    if picture is None:
        raise Refused(f"has no frame that can be decoded as {codec}")
    width, height = upright_size(picture, stream.sample_aspect_ratio)
    fps = count / duration if duration > 0 else 0.0
    answer = Answer("video", container_name(container), codec, width, height, duration, fps, count)
    sound = opened()
    if sound.streams.audio and _decoder(sound.streams.audio[0])[0] in SOUND_CODECS:
        heard_s, silent_s = _listen(sound, MAX_DURATION_S)
        answer.has_audio = heard_s > 0
        answer.silent_s = silent_s if silent_s < heard_s else duration
    return answer


def _first_picture(container: av.container.InputContainer, *, until: float) -> av.VideoFrame | None:
    """Decode all pictures up to this time, in seconds, and return the first. Raises: Refused when one is damaged."""
    stream, picture = picture_stream(container), None
    assert stream is not None
    for frame in shown_frames(container, stream):
        picture = picture or frame
        if seconds(frame.pts, stream.time_base) > until:
            break
    return picture


def _listen(container: av.container.InputContainer, most_s: float) -> tuple[float, float]:
    """Decode a sound up to a little more than `most_s`; return its seconds, and those of silence that it begins with.

    Raises: Refused when it is damaged.
    """
    heard = silent = 0
    for block in sound_blocks(container, _JUDGED_HZ, 1):
        if silent == heard:
            loud = np.abs(block[0]) > SILENCE
            silent += int(loud.argmax()) if loud.any() else len(loud)
        heard += block.shape[1]
        if heard > most_s * _JUDGED_HZ:
            break
    return heard / _JUDGED_HZ, silent / _JUDGED_HZ


def check_pixels(stream: av.video.stream.VideoStream) -> None:
    if stream.width * stream.height > MAX_VIDEO_PX or not stream.width:
        raise Refused(f"declares {stream.width}x{stream.height} pixels; at most 8192x4320 are allowed")


def container_name(container: av.container.InputContainer) -> str:
    name = container.format.name
    brand = container.metadata.get("major_brand", "").strip()
    if name.startswith("mov"):
        return {"qt": "mov", "M4A": "m4a"}.get(brand, "mp4")
    return "webm" if name.startswith("matroska") else name


def shown_frames(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[av.VideoFrame]:
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 2
    count = 0
    try:
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise Refused(f"is damaged: frame {count} cannot be decoded")
            yield frame
            count += 1
    except av.error.FFmpegError as err:
        raise Refused(f"is damaged: frame {count} cannot be decoded") from err


def upright_size(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Return (width, height) after square pixels and the display matrix."""
    width, height = frame.width, frame.height
    if aspect and Fraction(1, 8) < aspect < 8:
        width = round(width * aspect)
    return (height, width) if frame.rotation % 180 else (width, height)


def rgb_upright(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """Scale to (width, height) as seen upright, convert to RGB, turn."""
    turned = frame.rotation % 180 != 0
    space = frame.colorspace if frame.colorspace != 2 else (1 if frame.height >= 720 else 5)  # 2: not said
    rgb = frame.reformat(
        height if turned else width,
        width if turned else height,
        "rgb24",
        src_colorspace=space,
        interpolation="LANCZOS",
    ).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)))


def _pictures(
    file: BinaryIO, head: bytes
) -> tuple[av.container.InputContainer, av.video.stream.VideoStream, str]:
    """Open a video, check that its pictures may be decoded, and name their codec."""
    container = open_container(file, head, "video")
    stream = picture_stream(container)
    if stream is None:
        found = ", ".join(sorted({one.type for one in container.streams})) or "nothing"
        raise Refused(f"has no video stream (found: {found})")
    codec = check_codec(stream, VIDEO_CODECS)
    check_pixels(stream)
    return container, stream, codec


def read_video(file: BinaryIO, head: bytes, request: Request, out: BinaryIO) -> Answer:
    """Write RGB frames on a constant FPS clock: each output frame is what is on screen in the middle of its time."""
    container, stream, codec = _pictures(file, head)
    limit = max(1, round(request["max_seconds"] * FPS))
    answer = Answer("video", container_name(container), codec, fps=FPS, num_frames=0)
    start, end, shown = None, 0.0, None
    step = float(1 / stream.average_rate) if stream.average_rate else 1.0 / FPS
    for frame in shown_frames(container, stream):
        time = seconds(frame.pts, stream.time_base) if frame.pts is not None else end
        if start is None or shown is None:
            start = time
            answer.width, answer.height = request["width"], request["height"]
            if not answer.width:
                answer.width, answer.height = _at_most(*upright_size(frame, stream.sample_aspect_ratio))
        else:
            due = min(limit, int(np.ceil((time - start) * FPS - 0.5 - 1e-6)))
            _hold(shown, due, answer, out)
        shown, end = frame, time + (seconds(frame.duration, stream.time_base) or step)
        if answer.num_frames >= limit:
            break
    if start is None or shown is None:
        raise Refused(f"has no frame that can be decoded as {codec}")
    _hold(shown, min(limit, max(1, round((end - start) * FPS))), answer, out)
    answer.duration_s = answer.num_frames / FPS
    answer.has_audio = bool(container.streams.audio)
    answer.shape = (answer.num_frames, answer.height, answer.width, 3)
    return answer


def read_frame(file: BinaryIO, head: bytes, request: Request, out: BinaryIO) -> Answer:
    """Write one RGB frame by its number on the FPS clock, without decoding what lies before its key frame."""
    container, stream, codec = _pictures(file, head)
    zero = seconds(stream.start_time, stream.time_base)
    wanted = zero + (request["number"] + 0.5) / FPS
    if stream.time_base is not None:
        container.seek(int((wanted - 0.5 / FPS) / stream.time_base), stream=stream)
    shown = None
    for frame in shown_frames(container, stream):
        if shown is not None and seconds(frame.pts, stream.time_base) > wanted:
            break
        shown = frame
    if shown is None:
        raise Refused(f"has no frame that can be decoded as {codec}")
    width, height = _at_most(*upright_size(shown, stream.sample_aspect_ratio))
    out.write(rgb_upright(shown, width, height).tobytes())
    return Answer("video", container_name(container), codec, width, height, shape=(height, width, 3))


def _at_most(width: int, height: int, most_px: int = 1920 * 1088) -> tuple[int, int]:
    scale = min(1.0, (most_px / (width * height)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _hold(frame: av.VideoFrame, until: int, answer: Answer, out: BinaryIO) -> None:
    """Write the frame for every output time before `until` that is still open."""
    if until <= answer.num_frames:
        return
    picture = rgb_upright(frame, answer.width, answer.height).tobytes()
    for _ in range(until - answer.num_frames):
        out.write(picture)
    answer.num_frames = until


def sound_blocks(container: av.container.InputContainer, rate: int, channels: int) -> Iterator[np.ndarray]:
    """Yield float32 (channels, n) at the asked rate, aligned with the first picture when there is one."""
    if not container.streams.audio:
        raise Refused("has no sound stream")
    stream = container.streams.audio[0]
    check_codec(stream, SOUND_CODECS)
    # Mixed in _mixed: ffmpeg lowers a mono sound by 3 dB when it makes it stereo.
    resampler = av.AudioResampler("fltp", "mono" if stream.channels == 1 else "stereo", rate)
    picture = picture_stream(container)
    zero = seconds(picture.start_time, picture.time_base) if picture else None
    skip: int | None = None
    try:
        for frame in container.decode(stream):
            if skip is None:
                time = seconds(frame.pts, frame.time_base)
                skip = 0 if zero is None else round((zero - time) * rate)
                if skip < 0:
                    yield np.zeros((channels, min(-skip, round(MAX_SOUND_S * rate))), np.float32)
                    skip = 0
            frame.pts = None
            for block in resampler.resample(frame):
                samples = _mixed(block.to_ndarray(), channels)
                yield samples[:, skip:]
                skip = max(0, skip - samples.shape[1])
        for block in resampler.resample(None):
            yield _mixed(block.to_ndarray(), channels)[:, skip or 0 :]
    except av.error.FFmpegError as err:
        raise Refused(f"is damaged: its sound cannot be decoded ({err.strerror})") from err


def _mixed(samples: np.ndarray, channels: int) -> np.ndarray:
    if samples.shape[0] == channels:
        return samples
    return samples.mean(axis=0, keepdims=True) if channels == 1 else np.repeat(samples, 2, axis=0)


def sound_limit(container: av.container.InputContainer, max_seconds: float) -> float:
    """Seconds of sound to keep: an AAC stream decodes in whole blocks, its declared length cuts the last one."""
    stream = container.streams.audio[0]
    declared = seconds(stream.duration, stream.time_base) if container.format.name.startswith("mov") else 0.0
    return min(max_seconds, MAX_SOUND_S, declared or MAX_SOUND_S)


def read_sound(file: BinaryIO, head: bytes, request: Request, out: BinaryIO) -> Answer:
    """Write float32 samples, interleaved by time."""
    container = open_container(file, head, "audio")
    rate, channels = request["sample_rate"], request["channels"]
    blocks = sound_blocks(container, rate, channels)
    answer = Answer("audio", container_name(container), has_audio=True)
    left = count = 0
    for block in blocks:
        left = left or round(sound_limit(container, request["max_seconds"]) * rate)
        kept = block[:, : left - count]
        out.write(np.ascontiguousarray(kept.T, dtype="<f4").tobytes())
        count += kept.shape[1]
        if count >= left:
            break
    if count == 0:
        raise Refused("has a sound stream without a single sample")
    answer.codec = check_codec(container.streams.audio[0], SOUND_CODECS)
    answer.duration_s = count / rate
    answer.shape = (count, channels)
    return answer


def read_tags(file: BinaryIO, head: bytes, request: Request, out: BinaryIO) -> Answer:
    """Write the container's tags as a JSON object of texts."""
    container = open_container(file, head, request["kind"])
    text = json.dumps(dict(container.metadata)).encode()
    out.write(text)
    return Answer(format=container_name(container), shape=(len(text),))


def check_riff(head: bytes, size: int) -> None:
    """Refuse a WAV file that is shorter than its header says; 0 and all ones mean that the writer did not know."""
    declared = int.from_bytes(head[4:8], "little")
    if head[:4] == b"RIFF" and 0 < declared < 0xFFFFFFFF and declared + 8 > size + 1:
        raise Refused(f"is truncated: it declares {declared + 8} bytes and holds {size}")


def describe_sound(container: av.container.InputContainer) -> Answer:
    """Judge a sound by decoding all of it."""
    if not container.streams.audio:
        raise Refused("has no sound" if container.streams.video else "holds neither picture nor sound")
    stream = container.streams.audio[0]
    codec = check_codec(stream, SOUND_CODECS)
    heard_s, silent_s = _listen(container, MAX_SOUND_S)
    if heard_s > MAX_SOUND_S:
        raise Refused(f"lasts more than {MAX_SOUND_S:.0f} s, the most that is read")
    if heard_s == 0:
        raise Refused("has a sound stream without a single sample")
    duration = min(heard_s, sound_limit(container, MAX_SOUND_S))
    promised = seconds(stream.duration, stream.time_base)
    if container.format.name != "mp3" and promised - duration > 0.3:
        raise Refused(f"is truncated: it declares {promised:.2f} s of sound and holds {duration:.2f} s")
    return Answer(
        "audio", container_name(container), codec, duration_s=duration, has_audio=True, silent_s=silent_s
    )

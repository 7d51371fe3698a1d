"""Write a finished clip: H.264 and AAC in an MP4 whose index comes first, whole or not at all.

Frames stream in; sound is mastered and cut to exactly the length of the picture. The file grows under a temporary name
in the same folder and takes its own name only when it is complete and on disk.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import av.error
import numpy as np
from av.container.output import OutputContainer
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from happyhorse.errors import DiskFull, EngineError, MediaError
from happyhorse.media.sound import master
from happyhorse.shapes import FPS, SAMPLE_RATE

AUDIO_BITRATE = 192_000
# No macroblock tree: x264's vector code for it reads memory that nothing wrote, so equal frames gave unequal files (docs/log.md).
# One thread: another number of threads gives other bytes.
_H264 = {"crf": "18", "preset": "superfast", "profile": "high", "threads": "1", "x264-params": "mbtree=0"}
_KEYFRAME_S = 2
_MOST_BEHIND = 8  # frames and blocks of sound that wait for the encoder
_SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
_BT709, _LIMITED = 1, 1  # values of ITU-T H.273, as libav numbers them
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def encode(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    size: tuple[int, int],
    audio: NDArray[np.float32] | None,
    metadata: Mapping[str, str],
    as_is: bool = False,
) -> int:
    """Write frames, RGB (h, w, 3) at FPS and of exactly `size` (width, height), to `path`; return how many there were.

    `audio` is (1 or 2, n) at SAMPLE_RATE; it is brought to -16 LUFS, cut or filled with silence to the length of the
    picture. With `as_is` stereo keeps its loudness: a user's own track. None makes a file without a sound stream.
    `metadata` becomes MP4 tags, custom names allowed. Whatever stops the writing (an error of the iterator, Ctrl-C, a full
    disk) leaves an older file at `path` as it was.

    Raises: MediaError (field "output") when the folder cannot be written to, DiskFull.
    """
    sound = audio if audio is None or as_is else master(audio)
    with placed(path) as temporary, _mp4(temporary, metadata) as container, _Behind() as behind:
        picture = _Picture(container, size)
        track = _Sound(container, sound) if sound is not None else None
        count = 0
        for frame in frames:
            behind.call(picture.add, frame, count)
            count += 1
            if track is not None:
                behind.call(track.add_until, count * _SAMPLES_PER_FRAME)
        behind.wait()
        if count == 0:
            raise EngineError("the engine made no frames")
        picture.close()
        if track is not None:
            track.close()
    return count


def writable(path: Path) -> None:
    """Refuse an output path early. Raises: MediaError (field "output")."""
    try:
        problem = _closed(path.parent) or _taken(path)
    except OSError as err:  # a folder above it that may not be entered, a name that is too long
        problem = f"{_shortened(str(path))} cannot be written ({err.strerror})"
    if problem:
        raise MediaError(f"output: {problem}", field="output")


def _closed(folder: Path) -> str | None:
    if not folder.exists():
        return f"the folder {folder} does not exist"
    if not folder.is_dir():
        return f"{folder} is not a folder"
    if not os.access(folder, os.W_OK):
        return f"the folder {folder} is read-only"
    if not os.access(folder, os.X_OK):
        return f"the folder {folder} may not be entered"
    return None


def _taken(path: Path) -> str | None:
    if path.is_dir():
        return f"{path} is a directory; a file name is needed"
    if path.exists() and not os.access(path, os.W_OK):  # renaming over it would succeed all the same
        return f"{path} exists and is read-only"
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}...{text[-17:]}"


class _Behind:
    """Calls made in their order on a thread of their own: while a frame is encoded, the next one is drawn."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.waiting: deque[Future[None]] = deque()

    def call(self, function: Callable[..., None], *args: object) -> None:
        """Make a call soon. Raises: what one of the calls before it raised."""
        if len(self.waiting) == _MOST_BEHIND:
            self.waiting.popleft().result()
        self.waiting.append(self.thread.submit(function, *args))

    def wait(self) -> None:
        """Return when all calls have been made. Raises: what one of them raised."""
        while self.waiting:
            self.waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.shutdown(cancel_futures=True)


class _Picture:
    """The H.264 stream: yuv420p, BT.709, limited range, said so in the stream."""

    def __init__(self, container: OutputContainer, size: tuple[int, int]) -> None:
        self.container, self.size = container, size
        self.stream = container.add_stream("libx264", rate=FPS, options=_H264)
        self.stream.width, self.stream.height = size
        self.stream.pix_fmt = "yuv420p"
        self.stream.gop_size = _KEYFRAME_S * FPS
        self.stream.time_base = Fraction(1, FPS)
        context = self.stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self.converter = VideoReformatter()

    def add(self, picture: NDArray[np.uint8], number: int) -> None:
        if picture.dtype != np.uint8 or picture.shape != (self.size[1], self.size[0], 3):
            raise EngineError(
                f"frame {number} is {picture.dtype} {picture.shape}; "
                f"uint8 ({self.size[1]}, {self.size[0]}, 3) is needed"
            )
        frame = self.converter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=_LIMITED,
        )
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        self.container.mux(self.stream.encode(frame))

    def close(self) -> None:
        self.container.mux(self.stream.encode(None))


class _Sound:
    """The AAC stream, fed beside the picture so that both lie interleaved in the file."""

    def __init__(self, container: OutputContainer, samples: NDArray[np.float32]) -> None:
        self.container, self.samples, self.done = container, samples, 0
        self.stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        self.stream.bit_rate = AUDIO_BITRATE

    def add_until(self, end: int) -> None:
        block = self.samples[:, self.done : end]
        block = np.pad(block, ((0, 0), (0, end - self.done - block.shape[1])))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self.done, Fraction(1, SAMPLE_RATE)
        self.container.mux(self.stream.encode(frame))
        self.done = end

    def close(self) -> None:
        self.container.mux(self.stream.encode(None))


@contextmanager
def _mp4(path: Path, metadata: Mapping[str, str]) -> Iterator[OutputContainer]:
    container = av.open(str(path), "w", format="mp4", options={"movflags": "use_metadata_tags+faststart"})
    try:
        container.metadata.update(metadata)
        yield container
    except BaseException:
        with suppress(av.error.FFmpegError):  # the first error is the one to tell
            container.close()
        raise
    container.close()


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success sync it and give it the name, otherwise remove it.

    Raises: MediaError (field "output") when the folder cannot be written to, DiskFull.
    """
    writable(path)
    # A name of its own: with the whole of a long one in it, it would be too long.
    temporary = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as err:
        if err.errno in _FULL_DISK:
            text = f"output: {path} was not written: {_no_room(path, err)}"
            raise DiskFull(text, field="output") from err
        if isinstance(err, av.error.FFmpegError) or err.errno in (
            errno.EROFS,
            errno.EACCES,
            errno.EPERM,
            errno.EIO,
        ):
            raise MediaError(f"output: {path} cannot be written ({err.strerror})", field="output") from err
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _no_room(path: Path, err: OSError) -> str:
    if err.errno == errno.EFBIG:
        return "it is larger than a file may be here (ulimit -f, or a limit of the file system)"
    return f"the disk is full ({shutil.disk_usage(path.parent).free / 1e6:.1f} MB free)"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

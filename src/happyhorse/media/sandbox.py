"""Have one file read by a process of its own and take its answer; it may crash, hang or lie without harm to the caller.

The file is opened here and handed over as a descriptor, the samples come back in an unnamed temporary file. The reader
has no environment (so no secrets), limits its own memory and processor time, and is killed when the wall clock says so.
"""

from __future__ import annotations

import json
import math
import os
import stat
import tempfile
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from happyhorse.errors import EngineError, MediaError
from happyhorse.media.forkserver import ForkServer

MAX_FILE_BYTES = 200_000_000
_ANSWER_BYTES = 64_000
_CPU_S = {"probe": 60, "image": 30, "video": 400, "frame": 60, "audio": 60, "tags": 30}

_READERS = ForkServer("happyhorse.media.worker")

Kind = Literal["", "image", "video", "audio"]


@dataclass(frozen=True)
class Call:
    """What to do with a file; the fields that an operation does not use stay at their defaults."""

    op: Literal["probe", "image", "video", "frame", "audio", "tags"]
    kind: Kind = ""
    max_side: int = 0
    crop: tuple[int, ...] = ()
    max_seconds: float = 0.0
    number: int = 0
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True)
class Reading:
    """The answer of the reader process, checked for type and size."""

    facts: dict[str, str | int | float | bool]
    samples: NDArray[np.uint8]
    shape: tuple[int, ...]


def open_input(path: Path, field: str) -> BufferedReader:
    """Open a regular, non-empty file for reading. Raises: MediaError that names the field and the file."""
    try:
        if (
            not stat.S_ISREG(path.stat().st_mode) and not path.is_dir()
        ):  # opening a pipe would wait for a writer
            raise MediaError(f"{field}: {path} is not a regular file", field=field)
        file = path.open("rb")
    except FileNotFoundError as err:
        raise MediaError(f"{field}: {path} does not exist", field=field) from err
    except IsADirectoryError as err:
        raise MediaError(f"{field}: {path} is a directory; a file is needed", field=field) from err
    except OSError as err:
        raise MediaError(f"{field}: {path} cannot be opened ({err.strerror})", field=field) from err
    size = os.fstat(file.fileno()).st_size
    problem = None
    if size == 0:
        problem = "is empty (0 bytes)"
    elif size > MAX_FILE_BYTES:
        problem = f"has {size / 1e6:.0f} MB; at most {MAX_FILE_BYTES // 1_000_000} MB are read"
    if problem:
        file.close()
        raise MediaError(f"{field}: {path.name} {problem}", field=field)
    return file


def read(file: BufferedReader, call: Call, *, field: str) -> Reading:
    """Run one call on an open file in its own process.

    Raises: MediaError when the file is refused or breaks the reader, EngineError when the reader cannot start.
    """
    name = Path(str(file.name)).name
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as log:
        status = _run(file, call, out, said, log)
        said.seek(0)
        text = said.read(_ANSWER_BYTES)
        if status is None:
            raise MediaError(f"{field}: {name} takes more than {_wall_s(call)} s to read", field=field)
        if status != 0 or not text:
            raise MediaError(f"{field}: {name} {_how_it_died(status, log)}", field=field)
        answer = json.loads(text)
        if "failed" in answer:
            raise EngineError(f"{field}: {name} cannot be read: {answer['failed']}")
        if "refused" in answer:
            raise MediaError(f"{field}: {name} {answer['refused']}", field=field)
        shape = tuple(int(side) for side in answer.pop("shape"))
        if min(shape, default=1) < 1:
            raise MediaError(f"{field}: {name} is damaged: it holds nothing", field=field)
        samples = np.memmap(out, np.uint8, "c") if shape else np.zeros(0, np.uint8)
    return Reading(answer, samples, shape)


def shaped(reading: Reading, itemsize: int) -> bool:
    """Say whether the samples that came back are as many as the answer promises."""
    return reading.samples.nbytes == math.prod(reading.shape) * itemsize


def _run(file: IO[bytes], call: Call, out: IO[bytes], said: IO[bytes], log: IO[bytes]) -> int | None:
    """Return the exit status, None after a timeout. Raises: EngineError when the reader cannot start."""
    file.seek(0)
    request = json.dumps({**call.__dict__, "cpu_s": _CPU_S[call.op]}).encode()
    reader = _READERS.fork(request, [stream.fileno() for stream in (file, out, said, log)])
    return reader.wait(_wall_s(call))


def _wall_s(call: Call) -> int:
    return 2 * _CPU_S[call.op]


def _how_it_died(status: int, log: IO[bytes]) -> str:
    if status < 0:
        return f"broke the reader (signal {-status}); it is damaged or needs too much time or memory"
    return f"is damaged: {_last_line(log)}"


def _last_line(log: IO[bytes]) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - 4000))
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    text = lines[-1] if lines else "no reason given"
    return "".join(c for c in text if c.isprintable())[:200]

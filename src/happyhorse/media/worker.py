"""The reader process: the only place where bytes from strangers are parsed. One call per process, forked for it.

`main` is the server of forks (`forkserver.py` is its other end): it loads this module and waits for calls. A reader limits
itself first (memory, processor time, file size), reads the file it was given as a descriptor, writes raw samples to a second
one and one JSON answer to a third. Imports no torch.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import BinaryIO

from av.container import InputContainer

from happyhorse.media.content import READABLE, Answer, Refused, Request, looks_like
from happyhorse.media.faces import open_detectors
from happyhorse.media.worker_image import describe_image, judge_image, load_image, open_image, read_image
from happyhorse.media.worker_stream import (
    check_riff,
    describe_sound,
    describe_video,
    open_container,
    picture_stream,
    read_frame,
    read_sound,
    read_tags,
    read_video,
)

MEMORY_BYTES = 3 << 30
OUTPUT_BYTES = 4 << 30
MAX_CALL_BYTES = 4096


def probe(file: BinaryIO, head: bytes, request: Request, out: BinaryIO) -> Answer:  # noqa: ARG001 - one signature for all
    kind = request["kind"]
    image = open_image(file, head)
    if image is not None:
        load_image(image)
        answer = describe_image(image)
        if answer.num_frames == 1:
            judge_image(image, answer)
    else:
        if kind == "image":
            raise Refused(f"is not an image but {looks_like(head)}; allowed are {READABLE['image']}")
        check_riff(head, os.fstat(file.fileno()).st_size)

        def opened() -> InputContainer:
            file.seek(0)
            return open_container(file, head, kind)

        container = opened()
        stream = picture_stream(container) if kind != "audio" else None
        answer = (
            describe_video(container, stream, opened) if stream is not None else describe_sound(container)
        )
    if kind and answer.kind != kind:
        what = {"image": "an image", "video": "a video", "audio": "sound only"}
        wanted = {"image": "an image", "video": "a video", "audio": "sound"}
        raise Refused(
            f"is {what[answer.kind]} ({answer.format}); {wanted[kind]} is needed ({READABLE[kind]})"
        )
    return answer


OPS: dict[str, Callable[[BinaryIO, bytes, Request, BinaryIO], Answer]] = {
    "probe": probe,
    "image": read_image,
    "video": read_video,
    "frame": read_frame,
    "audio": read_sound,
    "tags": read_tags,
}


def limit_self(cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    """Fork for every call that comes through the socket at this descriptor, until the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for an attendant
    with socket.socket(fileno=int(sys.argv[1])) as calls:
        while True:
            call, descriptors, _, _ = socket.recv_fds(calls, MAX_CALL_BYTES, 5)
            if not call:
                return
            prepare(json.loads(call))
            if os.fork() == 0:
                try:
                    calls.close()
                    attend(call, *descriptors)
                finally:
                    os._exit(0)
            for descriptor in descriptors:
                os.close(descriptor)


def prepare(request: Request) -> None:
    """Load before the fork what this reader and all after it share."""
    if request["op"] == "probe" and request["kind"] in ("", "image"):
        open_detectors()


def attend(call: bytes, source: int, target: int, said: int, log: int, status: int) -> None:
    """Run a reader; say its process number at once and its exit status at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reader = os.fork()
    if reader == 0:
        os.close(status)
        os.dup2(log, 2)
        code = 1
        try:
            answer(call, source, target, said)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # decoders of hostile files are not worth tearing down
    os.write(status, b"%d\n" % reader)
    _, ended = os.waitpid(reader, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(ended))


def answer(call: bytes, source: int, target: int, said: int) -> None:
    """Read a file as asked, and write what came of it."""
    request = json.loads(call)
    limit_self(request["cpu_s"])
    with os.fdopen(source, "rb") as file, os.fdopen(target, "wb", buffering=1 << 20) as out:
        head = file.read(64)
        file.seek(0)
        try:
            found = asdict(OPS[request["op"]](file, head, request, out))
            out.flush()
        except Refused as err:
            found = {"refused": str(err)}
        except OSError as err:
            if err.errno not in (errno.ENOSPC, errno.EFBIG):
                raise
            found = {"failed": "there is no space left for temporary files"}
        except MemoryError:
            found = {"refused": f"needs more than {MEMORY_BYTES >> 30} GiB of memory to read"}
        with os.fdopen(said, "w", encoding="utf-8") as file_of_answer:
            file_of_answer.write(json.dumps(found))


if __name__ == "__main__":
    main()

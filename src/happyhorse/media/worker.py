"""The reader process: the only place where bytes from strangers are parsed. Started by `sandbox.py`, one call per process.

It limits itself first (memory, processor time, file size), reads the file it inherited as a descriptor, writes raw
samples to a second descriptor and one JSON answer to standard output. Imports no torch.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import BinaryIO

from happyhorse.media.content import READABLE, Answer, Refused, Request, looks_like
from happyhorse.media.quality import remarks
from happyhorse.media.worker_image import describe_image, load_image, open_image, read_image, to_rgb
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


def probe(file: BinaryIO, head: bytes, request: Request, out: BinaryIO) -> Answer:  # noqa: ARG001 - one signature for all
    kind = request["kind"]
    image = open_image(file, head)
    if image is not None:
        load_image(image)
        answer = describe_image(image)
        answer.remarks = remarks(image, to_rgb(image)) if answer.num_frames == 1 else ""
    else:
        if kind == "image":
            raise Refused(f"is not an image but {looks_like(head)}; allowed are {READABLE['image']}")
        file.seek(0)
        check_riff(head, os.fstat(file.fileno()).st_size)
        container = open_container(file, head, kind)
        stream = picture_stream(container) if kind != "audio" else None
        answer = describe_video(container, stream) if stream is not None else describe_sound(container)
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
    source, target, cpu_s, request = (
        int(sys.argv[1]),
        int(sys.argv[2]),
        int(sys.argv[3]),
        json.loads(sys.argv[4]),
    )
    limit_self(cpu_s)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with os.fdopen(source, "rb") as file, os.fdopen(target, "wb", buffering=1 << 20) as out:
        head = file.read(64)
        file.seek(0)
        try:
            answer = asdict(OPS[request["op"]](file, head, request, out))
            out.flush()
        except Refused as err:
            answer = {"refused": str(err)}
        except OSError as err:
            if err.errno not in (errno.ENOSPC, errno.EFBIG):
                raise
            answer = {"failed": "there is no space left for temporary files"}
        except MemoryError:
            answer = {"refused": f"needs more than {MEMORY_BYTES >> 30} GiB of memory to read"}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # decoders of hostile files are not worth tearing down


if __name__ == "__main__":
    main()

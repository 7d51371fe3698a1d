"""Damaged files by the thousand, from a seeded fuzzer: refused in one sentence, or as good as they were taken for."""

import random
import struct
import zlib

import numpy as np
import pytest
from films import film, tone
from PIL import Image

from happyhorse.errors import MediaError
from happyhorse.media.read import decode_audio, decode_image, decode_video, probe
from happyhorse.shapes import MAX_DURATION_S

KINDS = ("jpg", "png", "webp", "mp4", "mov")
SIDE = 96


def originals(folder):
    noise = np.random.default_rng(3).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    for name in ("jpg", "png", "webp"):
        Image.fromarray(noise).save(folder / f"x.{name}")
    for name in ("mp4", "mov"):
        film(folder / f"x.{name}", size=(SIDE, SIDE), sound=tone(0.4), seconds=0.4)
    return {name: (folder / f"x.{name}").read_bytes() for name in KINDS}


def mutated(content, chance):
    """A few damages of the kinds that break parsers: bits, lengths, holes, repeats, pieces of itself, an early end."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at, size = chance.randrange(len(data)), chance.randint(1, 64)
        damage = chance.randrange(7)
        if damage == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif damage == 1:
            data[at : at + 4] = struct.pack(">I", chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)))
        elif damage == 2:
            data[at : at + size] = bytes(size)
        elif damage == 3:
            data[at:at] = data[at : at + size] * chance.randint(1, 50)
        elif damage == 4:
            del data[at : at + size]
        elif damage == 5:
            source = chance.randrange(len(data))
            data[at : at + size] = data[source : source + size]
        elif at > 16:
            del data[at:]
    return sealed(data) if chance.random() < 0.5 else bytes(data)


def sealed(data):
    """With the checksums of PNG's chunks made right, so that what they hold is read."""
    data, at = bytearray(data), 8
    while data[:4] == b"\x89PNG" and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def decoded(path, info):
    """Read it as a job would."""
    if info.kind == "image":
        return decode_image(path).shape[:2] == (info.height, info.width)
    if info.kind == "video":
        frames = decode_video(path)
        if info.has_audio:
            decode_audio(path, max_seconds=MAX_DURATION_S)
        return frames.shape[1:3] == (info.height, info.width)
    return decode_audio(path, max_seconds=MAX_DURATION_S).shape[1] > 0


def judged(folder, kind, count):
    """Damage a file many times. Returns how many were taken, and those that were taken and could not be read."""
    content, chance, taken, wrong = originals(folder)[kind], random.Random(kind), 0, []
    for number in range(count):
        path = folder / f"{number}.{kind}"
        path.write_bytes(mutated(content, chance))
        try:
            info = probe(path)
        except MediaError as err:
            if "\n" in err.message or len(err.message) > 300:
                wrong.append((number, err.message))
            continue
        taken += 1
        try:
            if not decoded(path, info):
                wrong.append((number, "another size"))
        except MediaError as err:
            wrong.append((number, err.message))
        path.unlink()
    return taken, wrong


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_can_be_read(tmp_path, kind):
    assert judged(tmp_path, kind, 6)[1] == []
    whole = tmp_path / f"x.{kind}"
    assert decoded(whole, probe(whole))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_of_two_thousand_damaged_files_none_is_taken_that_cannot_be_read(tmp_path, kind):
    taken, wrong = judged(tmp_path, kind, 400)
    assert wrong == []
    assert taken < 400
    assert taken > 0 or kind == "png"  # whose every part has a checksum

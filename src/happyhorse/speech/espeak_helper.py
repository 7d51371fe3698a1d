"""The program of the helper process: espeak-ng behind a pipe. Run by speech.py, never imported by it.

It lives in its own process because espeak-ng is GPL-3, keeps its state in globals and may crash on odd input. Standard
library only, so that it starts in a few hundredths of a second.

    argv      the library's path, the data folder's path
    request   length (4 bytes, little endian), then JSON {text, voice, rate, pitch, range}
    answer    length, then JSON {sample_rate, num_samples, events: [[sample, symbol, tone], ...]} or {error}; then the samples,
              16-bit little endian. An event is the start of a phoneme; a pause has the symbol "". The tone is espeak-ng's
              number of it, "" where there is none.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import BinaryIO

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEMES_AS_IPA, _NEVER_EXIT = 1, 2, 0x8000
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
# At 100, the default, loud vowels reach full scale and espeak-ng's limiter distorts them.
_UNDISTORTED = 60
_BY_CHARACTER, _UTF8 = 1, 1
_LIST_END, _PHONEME = 0, 7
_TONAL = ("cmn", "yue")
_PARTED_BY_UNDERSCORES = ord("_") << 8
_PARTING, _TONE = re.compile(r"[_ |]+"), re.compile(r"\d+$")
_NO_SOUND = ":;"  # of a long pause, and between spelled letters
_SYMBOL_BYTES = 8


class _Identity(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_void_p),
        ("symbol", ctypes.c_ubyte * _SYMBOL_BYTES),
    )


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("message", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("identity", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Utterance:
    """One text spoken by a freshly loaded espeak-ng.

    The library keeps the state of its flutter and noise from one text to the next and cannot reset it. Loading it
    again costs half a millisecond and makes the same text sound the same whatever was said before.
    """

    def __init__(self, library_path: str, data_path: str) -> None:
        # espeak-ng cuts data paths at 160 bytes, so it is given a relative one.
        data = Path(data_path)
        os.chdir(data.parent)
        self._library = ctypes.CDLL(library_path)
        options = _PHONEME_EVENTS | _PHONEMES_AS_IPA | _NEVER_EXIT
        self.sample_rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data.name.encode(), options)
        if self.sample_rate <= 0:
            raise OSError(f"espeak-ng cannot read its data in {data_path}")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # else the time of day: breath and noise differ
        self.samples = bytearray()
        self.events: list[tuple[int, str]] = []
        self._callback = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def close(self) -> None:
        self._library.espeak_Terminate()
        if os.name == "posix":
            ctypes.CDLL(None).dlclose(ctypes.c_void_p(self._library._handle))

    def _collect(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if samples and count > 0:
            self.samples += ctypes.string_at(samples, 2 * count)
        index = 0
        while events[index].kind != _LIST_END:
            event = events[index]
            if event.kind == _PHONEME:
                symbol = bytes(event.identity.symbol).split(b"\0")[0].decode("utf-8", "ignore")
                self.events.append((event.sample, symbol))
            index += 1
        return 0

    def say(self, text: str, voice: str, *, rate: int, pitch: int, range_: int) -> None:
        """Speak plain text into `samples` and `events`: neither markup nor phoneme input is switched on."""
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((_RATE, rate), (_VOLUME, _UNDISTORTED), (_PITCH, pitch), (_RANGE, range_)):
            self._library.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        status = self._library.espeak_Synth(
            raw, ctypes.c_size_t(len(raw) + 1), 0, _BY_CHARACTER, 0, _UTF8, None, None
        )
        if status:
            raise ValueError(f"espeak-ng refused the text (status {status})")

    def toned_events(self, text: str, *, tonal: bool) -> list[tuple[int, str, str]]:
        """Return the events of `text`, just spoken, each with its tone.

        Events tell no tones, the transcription does: one mnemonic for each event that is no pause.
        """
        transcribe = self._library.espeak_TextToPhonemes
        transcribe.restype = ctypes.c_char_p
        rest = ctypes.pointer(ctypes.c_char_p(text.encode()))
        mnemonics: list[str] = []
        while tonal and rest.contents.value:
            clause = transcribe(rest, _UTF8, _PARTED_BY_UNDERSCORES).decode("utf-8", "ignore")
            mnemonics += [found for found in _PARTING.split(clause) if found.strip(_NO_SOUND)]
        if len(mnemonics) != sum(bool(symbol) for _, symbol in self.events):
            mnemonics = []
        left = iter(mnemonics)
        toned = []
        for sample, symbol in self.events:
            found = _TONE.search(next(left, "")) if symbol else None
            toned.append((sample, symbol, found[0] if found else ""))
        return toned


def _answer(library_path: str, data_path: str, request: dict[str, str | int]) -> bytes:
    try:
        utterance = Utterance(library_path, data_path)
    except OSError as err:
        return _packed({"error": str(err)})
    try:
        utterance.say(
            str(request["text"]),
            str(request["voice"]),
            rate=int(request["rate"]),
            pitch=int(request["pitch"]),
            range_=int(request["range"]),
        )
        tonal = str(request["voice"]).split("+")[0] in _TONAL
        events = utterance.toned_events(str(request["text"]), tonal=tonal)
    except ValueError as err:
        return _packed({"error": str(err)})
    finally:
        utterance.close()
    header = {
        "sample_rate": utterance.sample_rate,
        "num_samples": len(utterance.samples) // 2,
        "events": events,
    }
    return _packed(header) + bytes(utterance.samples)


def _packed(header: dict[str, object]) -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<I", len(raw)) + raw


def main() -> None:
    library_path, data_path = sys.argv[1:]
    requests: BinaryIO = sys.stdin.buffer
    # The answers keep a descriptor of their own: what the library prints must not end up between them.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        while len(size := requests.read(4)) == 4:
            request = json.loads(requests.read(struct.unpack("<I", size)[0]))
            answers.write(_answer(library_path, data_path, request))
            answers.flush()


if __name__ == "__main__":
    main()

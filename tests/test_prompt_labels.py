"""The reader against 121 prompts labelled by hand (tests/prompts/README.md): F1 of parts, lines, languages and references.

Parts are compared token by token (a word, or one character of Chinese, Japanese, Korean): a token counts when reader and label give it
the same part. Exact values would be stricter and would measure where a comma is put. Lines, references and languages count only when
they are exactly the same.

    python tests/test_prompt_labels.py dev|held|fresh|all [-v]
"""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from happyhorse.prompt.read import read_prompt

FOLDER = Path(__file__).parent / "prompts"
MARKS = {
    "S": "subject",
    "A": "action",
    "E": "environment",
    "Y": "style",
    "C": "camera",
    "O": "audio",
    "-": None,
}
TOKEN = re.compile(
    r"[^\W\d_\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]+|\d+|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)


class Entry:
    def __init__(self, block):
        head, marked, *rest = block.strip("\n").split("\n")
        self.name, self.language, *_ = head.split()
        pieces = re.split(r"\|([SAEYCO-])\|", marked.replace("\\n", "\n"))
        self.text = pieces[0]
        self.spans = []
        for mark, piece in zip(pieces[1::2], pieces[2::2], strict=True):
            self.spans.append((MARKS[mark], len(self.text), len(self.text) + len(piece)))
            self.text += piece
        self.lines = [tuple(line[2:].split(" ", 1)) for line in rest if line.startswith("> ")]
        named = " ".join(line[2:] for line in rest if line.startswith("@ ")).split()
        self.references = {(name[:-1], int(name[-1])) for name in named}


def load(split):
    entries = []
    for file in ("fresh.txt",) if split == "fresh" else ("own.txt", "collected.txt"):
        blocks = re.split(r"^# ", (FOLDER / file).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        chosen = {"dev": blocks[0::2], "held": blocks[1::2]}.get(split, blocks)
        entries += [Entry(block) for block in chosen]
    return entries


def parts_by_token(text, spans):
    found = []
    for match in TOKEN.finditer(text):
        part = next((part for part, start, end in spans if start <= match.start() < end), None)
        found.append((match.start(), match[0], part))
    return found


def f1(hits, found, wanted):
    return 2 * hits / (found + wanted) if found + wanted else 1.0


def score(split, show=lambda entry, read, missed: None):
    counts = {name: Counter() for name in ("parts", "lines", "languages", "references")}
    by_part, by_language = {}, {}
    for entry in load(split):
        read = read_prompt(entry.text)
        wanted = parts_by_token(entry.text, entry.spans)
        found = parts_by_token(entry.text, [(span.part, span.start, span.end) for span in read.spans])
        missed = []
        for (_, word, want), (_, _, got) in zip(wanted, found, strict=True):
            groups = [counts["parts"], by_language.setdefault(entry.language, Counter())]
            for name, group in [(want, g) for g in groups] + [(got, g) for g in groups]:
                group["total"] += name is not None
            for group in groups:
                group["hits"] += want == got and want is not None
            for name in {want, got} - {None}:
                part = by_part.setdefault(name, Counter())
                part["total"] += (want == name) + (got == name)
                part["hits"] += want == got
            if want != got:
                missed.append((word, want, got))
        add(counts["lines"], {text for _, text in entry.lines}, {line.text for line in read.lines})
        add(
            counts["languages"],
            {("", entry.language), *((text, language) for language, text in entry.lines)},
            {("", read.language), *((line.text, line.language) for line in read.lines)},
        )
        add(counts["references"], entry.references, {(r.kind, r.number) for r in read.references})
        show(entry, read, missed)
    scores = {name: f1(count["hits"], count["total"], 0) for name, count in counts.items()}
    detail = {
        name: f1(count["hits"], count["total"], 0) for name, count in {**by_part, **by_language}.items()
    }
    return scores, detail


def add(count, wanted, found):
    count["hits"] += len(wanted & found)
    count["total"] += len(wanted) + len(found)


FLOOR = 0.9


@pytest.mark.parametrize("split", ["dev", "held", "fresh"])
def test_the_reader_agrees_with_the_labels(split):
    scores, _ = score(split)
    assert min(scores.values()) >= FLOOR, scores


def test_the_labels_are_whole():
    entries = load("all") + load("fresh")
    assert len(entries) == 121
    assert {entry.language for entry in entries} == {"en", "zh", "yue", "ja", "ko", "de", "fr"}
    for entry in entries:
        assert all(text in entry.text for _, text in entry.lines), entry.name


def show_misses(entry, read, missed):
    if not missed and {text for _, text in entry.lines} == {line.text for line in read.lines}:
        return
    found = "".join(f"|{span.part[:2]}|{entry.text[span.start : span.end]}" for span in read.spans)
    wanted = "".join(f"|{(part or '-')[:2]}|{entry.text[start:end]}" for part, start, end in entry.spans)
    lines = [line.text for line in read.lines]
    sys.stdout.write(
        f"\n{entry.name}: {len(missed)} missed, lines {lines}\n read  {found}\n label {wanted}\n"
    )


if __name__ == "__main__":
    for counts in score(sys.argv[1], *([show_misses] if "-v" in sys.argv else [])):
        sys.stdout.write(f"{ {name: round(value, 3) for name, value in counts.items()} }\n")

"""A prompt on a terminal: its text coloured by part, then what was read from it and what to mend."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from happyhorse.prompt.lexicon import Part
from happyhorse.prompt.read import PARTS, Prompt
from happyhorse.request import LANGUAGE_NAMES

COLORS: dict[Part, str] = {
    "subject": "bold cyan",
    "action": "green",
    "environment": "yellow",
    "style": "magenta",
    "camera": "bright_blue",
    "audio": "bright_red",
}
_GAP = 2
_SEVERITIES = {"info": "dim", "warning": "yellow", "error": "bold red"}


def print_prompt(read: Prompt, console: Console | None = None) -> None:
    """Folded to the width of a terminal; whatever else reads it folds and cuts as it likes."""
    console = console or Console()
    rows = _rows(read)
    if not console.is_terminal:
        width = max(len(name) for name, _ in rows) + _GAP
        for line in (_colored(read), Text(), *(_line(name, value, width) for name, value in rows)):
            console.print(line, soft_wrap=True)
        return
    console.print(_colored(read))
    console.print()
    table = Table.grid(padding=(0, _GAP))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)


def _rows(read: Prompt) -> list[tuple[Text, Text]]:
    """What is said of a prompt, each under its name."""
    rows = [(Text(part, style=COLORS[part]), Text(read.parts.get(part, "-"))) for part in PARTS]
    kind = ", an edit" if read.is_edit else ""
    rows.append((Text("language"), Text(f"{LANGUAGE_NAMES[read.language]}, {read.num_words} words{kind}")))
    for line in read.lines:
        said = Text(line.text, style="italic").append(
            f" ({line.language}, {line.seconds:g} s)", style="not italic dim"
        )
        rows.append((Text("says"), said))
    for reference in read.references:
        images = (
            read.characters.get(f"character{reference.number}") if reference.kind == "character" else None
        )
        bound = f" = image {', '.join(map(str, images))}" if images else ""
        rows.append((Text("names"), Text(f"{reference.text}{bound}")))
    for found in read.findings:
        message = Text(found.message).append(f"\n{found.fix}", style="green")
        rows.append((Text(found.severity, style=_SEVERITIES[found.severity]), message))
    if not read.findings:
        rows.append((Text("ok", style="green"), Text("nothing amiss")))
    return rows


def _line(name: Text, value: Text, width: int) -> Text:
    """A row in plain text; further lines of a value stand below its first."""
    return Text(f"{name.plain:<{width}}" + value.plain.replace("\n", "\n" + " " * width))


def _colored(read: Prompt) -> Text:
    text = Text(read.text)
    for span in read.spans:
        text.stylize(COLORS[span.part], span.start, span.end)
    for line in read.lines:
        text.stylize("italic", line.start, line.end)
    return text

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
_SEVERITIES = {"info": "dim", "warning": "yellow", "error": "bold red"}


def print_prompt(read: Prompt, console: Console | None = None) -> None:
    console = console or Console()
    console.print(_colored(read))
    console.print()
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for part in PARTS:
        table.add_row(Text(part, style=COLORS[part]), Text(read.parts.get(part, "-")))
    kind = ", an edit" if read.is_edit else ""
    table.add_row("language", f"{LANGUAGE_NAMES[read.language]}, {read.num_words} words{kind}")
    for line in read.lines:
        said = Text(line.text, style="italic").append(
            f" ({line.language}, {line.seconds:g} s)", style="not italic dim"
        )
        table.add_row("says", said)
    for reference in read.references:
        images = (
            read.characters.get(f"character{reference.number}") if reference.kind == "character" else None
        )
        bound = f" = image {', '.join(map(str, images))}" if images else ""
        table.add_row("names", Text(f"{reference.text}{bound}"))
    for found in read.findings:
        message = Text(found.message).append(f"\n{found.fix}", style="green")
        table.add_row(Text(found.severity, style=_SEVERITIES[found.severity]), message)
    if not read.findings:
        table.add_row(Text("ok", style="green"), "nothing amiss")
    console.print(table)


def _colored(read: Prompt) -> Text:
    text = Text(read.text)
    for span in read.spans:
        text.stylize(COLORS[span.part], span.start, span.end)
    for line in read.lines:
        text.stylize("italic", line.start, line.end)
    return text

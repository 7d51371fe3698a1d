"""The command line: parse, call one function, print. Objects are built here and passed down; errors end here.

Exit codes: 0 done, 2 the input is wrong or the output cannot be written (one line on stderr), 1 the engine failed, 130 interrupted. Nothing heavy is imported at the
top: each command imports what it needs.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from happyhorse.cli import checks, lab, remote, serve
from happyhorse.cli.generate import generate
from happyhorse.errors import HappyHorseError

app = typer.Typer(
    name="happyhorse",
    help="Type a scene, get a clip: picture and sound from one network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_COMMANDS: dict[str, Callable[..., None]] = {
    "generate": generate,
    "prompt": checks.prompt,
    "contact": checks.contact,
    "serve": serve.serve,
    "worker": serve.worker,
    "submit": remote.submit,
    "status": remote.status,
    "watch": remote.watch,
    "cancel": remote.cancel,
    "list": remote.list_jobs,
}
_GROUPS = {
    "keys": serve.keys,
    "verify": checks.verify,
    "bench": checks.bench,
    "train": lab.train,
    "world": lab.world,
    "eval": lab.evaluation,
}


def main(argv: list[str] | None = None) -> None:
    """Run a command and map every error to one line and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that temporary files go, as after Ctrl-C
    try:
        app(argv)
    except HappyHorseError as err:
        _fail(err.message, 2 if err.status < 500 or err.field == "output" else 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left; what is unsaid cannot be said
        sys.exit(1)
    except OSError as err:
        _fail(f"{err.filename or 'file system'}: {err.strerror or err}", 2)
    except MemoryError:
        _fail("out of memory; try a shorter clip, a smaller resolution or --draft", 1)


def _fail(message: str, code: int) -> None:
    line = " ".join(message.split())
    print(f"happyhorse: {line}".encode(errors="replace").decode(), file=sys.stderr)
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        import happyhorse

        print(happyhorse.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


for name, command in _COMMANDS.items():
    app.command(name)(command)
for name, group in _GROUPS.items():
    app.add_typer(group, name=name)

"""The way in: run a command, then map every error to a line and an exit code.

Exit codes: 0 done; 2 the input is wrong or the output cannot be written; 1 the engine failed; 130 interrupted. An error is one line on
stderr (a wrong use of the command line has a second, where to read on); with --json it is {"error": {"code", "field", "message"}} on
stdout. Even the parser is imported inside, so that Ctrl-C is answered from the first moment on.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from happyhorse.errors import HappyHorseError

_INTERRUPTED = 130
_MAX_WORD = 160


@dataclass(frozen=True)
class _Failure:
    message: str
    exit_code: int = 2
    code: str = "usage"
    field: str | None = None
    hint: str = ""


def main(argv: list[str] | None = None) -> None:
    """Run a command; always ends in SystemExit."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)  # so that temporary files go, as after Ctrl-C
        code = _run(arguments)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left; what is unsaid cannot be said
        code = 1
    if code == _INTERRUPTED:
        print("interrupted", file=sys.stderr)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    from typer import Abort, BadParameter

    from happyhorse.cli.commands import GROUPS, app
    from happyhorse.errors import HappyHorseError

    usage_error = BadParameter.__mro__[1]  # typer does not name it: its own since 0.2x, click's before
    try:
        asked = (
            [*arguments, "--help"] if not arguments or arguments in [[name] for name in GROUPS] else arguments
        )
        code = app(asked, prog_name="happyhorse", standalone_mode=False)
    except HappyHorseError as err:
        failure = _of_ours(err, arguments)
    except BrokenPipeError:
        raise
    except OSError as err:
        failure = _Failure(f"{err.filename or 'file system'}: {err.strerror or err}", code="file_error")
    except Abort as err:
        if isinstance(err.__context__, KeyboardInterrupt):
            print(file=sys.stderr)  # after the question
            return _INTERRUPTED
        failure = _Failure("the question was not answered, so nothing was done; --yes answers it", 1)
    except MemoryError:
        text = "out of memory; try a shorter clip, a smaller resolution or --draft"
        failure = _Failure(text, 1, "out_of_memory")
    except Exception as err:
        if not isinstance(err, usage_error):
            raise
        failure = _of_usage(err, arguments)
    else:
        return code if isinstance(code, int) else 0
    _tell(failure, as_json="--json" in arguments)
    return failure.exit_code


def _of_ours(err: HappyHorseError, arguments: list[str]) -> _Failure:
    from happyhorse.cli.flags import about_flag

    wrong_input = err.status < 500 or err.field == "output"
    field = "references" if (err.field or "").startswith("reference ") else err.field
    message = about_flag(err.message, err.field, arguments)
    return _Failure(message, 2 if wrong_input else 1, err.code, field)


def _of_usage(err: Exception, arguments: list[str]) -> _Failure:
    context = getattr(err, "ctx", None)
    command = context.command_path if context else "happyhorse"
    message = str(err.format_message())  # type: ignore[attr-defined]
    if message.startswith("Got unexpected extra argument"):
        message += "; a text of several words stands in quotation marks"
    return _Failure(f"{message}{_seen(err, arguments)}", hint=f"see '{command} --help'")


def _seen(err: Exception, arguments: list[str]) -> str:
    """The value of the option that an error is about, which the parser does not tell."""
    names = getattr(getattr(err, "param", None), "opts", ())
    values = [value for name, value in pairwise(arguments) if name in names]
    values += [
        word.partition("=")[2] for word in arguments if word.partition("=")[0] in names and "=" in word
    ]
    return f"; got '{values[-1]}'" if values else ""


def _tell(failure: _Failure, *, as_json: bool) -> None:
    message = " ".join(_shortened(word) for word in failure.message.split())
    if as_json:
        from happyhorse.cli.show import print_json

        print_json({"error": {"code": failure.code, "field": failure.field, "message": message}})
        return
    for line in (message, failure.hint):
        if line:
            print(f"happyhorse: {line}".encode(errors="replace").decode(), file=sys.stderr)


def _shortened(word: str) -> str:
    """A file name of thousands of characters would hide what is wrong with it."""
    return word if len(word) <= _MAX_WORD else f"{word[: _MAX_WORD - 40]}...{word[-37:]}"

"""The commands and their groups. Nothing heavy is imported at the top: each command imports what it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from happyhorse.cli import checks, evaluation, lab, remote, serve, weights
from happyhorse.cli.bench_magihuman import bench_magihuman
from happyhorse.cli.generate import generate
from happyhorse.cli.inspect import inspect
from happyhorse.cli.keys import keys
from happyhorse.cli.refine import refine

app = typer.Typer(
    name="happyhorse",
    help="Type a scene, get a clip: picture and sound from one network.",
    epilog="Begin with: happyhorse generate 'A man on a beach says: \"Hello!\"', or happyhorse serve and its page.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_COMMANDS: dict[str, Callable[..., None]] = {
    "generate": generate,
    "refine": refine,
    "prompt": checks.prompt,
    "contact": checks.contact,
    "inspect": inspect,
    "serve": serve.serve,
    "worker": serve.worker,
    "submit": remote.submit,
    "status": remote.status,
    "watch": remote.watch,
    "cancel": remote.cancel,
    "list": remote.list_jobs,
}
GROUPS = {
    "keys": keys,
    "weights": weights.weights,
    "verify": checks.verify,
    "bench": checks.bench,
    "train": lab.train,
    "world": lab.world,
    "eval": evaluation.evaluation,
}


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


checks.bench.command("magihuman")(bench_magihuman)

for name, command in _COMMANDS.items():
    app.command(name)(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name, no_args_is_help=False)

"""`torchrun --nproc-per-node N -m happyhorse.cli.ranks COMMAND ...`: one command, its networks on N GPUs.

Rank 0 runs the command as `happyhorse` would; the others only run its networks with it, each on its share of the rows.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from happyhorse.model.parallel import Ranks


def main() -> None:
    """Always ends in SystemExit."""
    from happyhorse.cli.app import main as run
    from happyhorse.model.follow import join, leave

    ranks = join()
    if ranks is None:
        _fail("happyhorse.cli.ranks is for torchrun; in one process it is happyhorse", code=2)
    try:
        if ranks.rank:
            _follow(ranks)
        else:
            run()
    finally:
        leave(ranks)


def _follow(ranks: Ranks) -> None:
    from happyhorse.cli.build import load_speedups
    from happyhorse.engines.magihuman_load import follow_engine
    from happyhorse.errors import HappyHorseError
    from happyhorse.settings import Settings

    try:
        settings = Settings.from_env()
        follow_engine(settings.weights_dir, ranks, fp8=settings.fp8, speedups=load_speedups(settings))
    except HappyHorseError as err:
        _fail(f"process {ranks.rank}: {err.message}", code=1)
    sys.exit(0)


def _fail(message: str, *, code: int) -> NoReturn:
    print(f"happyhorse: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

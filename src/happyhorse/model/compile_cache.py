"""The folder where torch keeps what it compiled, read by many processes, in which nothing is ever half written.

    KEPT/...                  what was compiled, whole
    KEPT/.working/NAME/...    a process's own copy of it, in which torch reads and writes
    KEPT/.working/NAME/alive  locked as long as that process lives

A compiler writes its file where later processes look for it: killed, it leaves them one that is cut short, and of loading that a
process dies (SIGBUS) before it could tell. So each process has its own copy, and what is new there goes to KEPT by renaming, once a
function has been compiled and has run. What a process that died left behind is removed by the next one.
"""

import atexit
import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from torch._inductor.runtime.cache_dir_utils import cache_dir, temporary_cache_dir

from happyhorse.errors import EngineError

_WORKING, _ALIVE, _COMING = ".working", "alive", "coming"
_NOT_KEPT = (_WORKING, _ALIVE, _COMING, "locks", "precompiled_headers")
_redirected = ExitStack()
_log = logging.getLogger("happyhorse.compiled")


class WorkingCopy:
    """This process's own copy of a folder of compiled code."""

    def __init__(self, kept: Path) -> None:
        """Copy what is kept. Raises: OSError when the folder cannot be written to."""
        self.kept = kept
        with _turn(kept / _WORKING) as area:
            _remove_dead(area)
            self.folder = Path(mkdtemp(dir=area))
            self._alive = (self.folder / _ALIVE).open("a")
            fcntl.flock(self._alive, fcntl.LOCK_EX)
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        for name in _files(kept):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # a user may empty the folder at any time
                shutil.copyfile(kept / name, self.folder / name)

    def keep(self) -> None:
        """Bring to the kept folder what it does not have; each file is there whole or not at all. Raises: OSError."""
        coming = self.folder / _COMING
        for name in _files(self.folder):
            place = self.kept / name
            if not place.exists():
                shutil.copyfile(self.folder / name, coming)
                place.parent.mkdir(parents=True, exist_ok=True)
                coming.replace(place)


@cache
def working_copy() -> WorkingCopy:
    """Let torch compile in a copy of its folder from now on. Raises: EngineError when there can be none."""
    try:
        copy = WorkingCopy(Path(cache_dir()))
    except OSError as err:
        raise EngineError(f"compiled layers cannot be kept: {err.strerror}: {err.filename}") from err
    _redirected.enter_context(temporary_cache_dir(str(copy.folder)))
    atexit.register(_redirected.close)
    return copy


def keep_compiled() -> None:
    """Keep what has been compiled until now for later processes. Where that fails, they compile again."""
    copy = working_copy()
    try:
        copy.keep()
    except OSError as err:
        _log.warning("what was compiled could not be kept in %s: %s", copy.kept, err)


@contextmanager
def _turn(area: Path) -> Iterator[Path]:
    """One process at a time may make or remove copies."""
    area.mkdir(parents=True, exist_ok=True)
    with (area / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield area


def _remove_dead(area: Path) -> None:
    for folder in (path for path in area.iterdir() if path.is_dir()):
        with (folder / _ALIVE).open("a") as alive:
            try:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    """Names, below a folder, of the files to keep: no locks, and nothing that torch has yet to rename."""
    for path in list(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] not in _NOT_KEPT and not path.name.startswith(".") and path.is_file():
            yield name

"""Where weights lie on this machine, and whether they are what was published: sizes and hashes of a manifest.

ROOT/<part>/...             the files, or a link to a folder the user already had
ROOT/<part>.manifest.json   repository, revision, size and hash of every file, written when all of them are right
ROOT/<part>-fp8, -bf16      a network with smaller values, made of the part
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from happyhorse.errors import WeightsMissing
from happyhorse.hub.parts import Part

State = Literal["absent", "incomplete", "linked", "complete"]
Kind = Literal["fp8", "bf16"]
OnFile = Callable[[str, int], None]
_BLOCK = 1 << 22


@dataclass(frozen=True)
class File:
    """A file as its repository describes it: `sha256` for large files, the hash of a git blob for small ones."""

    size: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True)
class Manifest:
    """What a part consists of; `files` by their path below the part's folder."""

    repo: str
    revision: str
    files: Mapping[str, File]

    @property
    def num_bytes(self) -> int:
        return sum(file.size for file in self.files.values())

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True)
class Status:
    """A part on this machine. `found_bytes` counts what is there, whole or not."""

    part: Part
    state: State
    folder: Path
    found_bytes: int


class WeightStore:
    """The parts of one engine below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, part: Part) -> Path:
        return self.root / part.name

    def conversion(self, part: Part, kind: Kind) -> Path:
        """Where a network with smaller values is, if it was made."""
        return self.root / f"{part.name}-{kind}"

    def conversions(self, part: Part) -> list[Path]:
        """Those that were made."""
        kinds: tuple[Kind, ...] = ("fp8", "bf16")
        return [path for kind in kinds if (path := self.conversion(part, kind)).is_dir()]

    def manifest(self, part: Part) -> Manifest | None:
        """The manifest of a part that was downloaded. Raises: WeightsMissing if it cannot be read."""
        path = self._manifest_path(part)
        return read_manifest(path, cure="pull the part again") if path.is_file() else None

    def write_manifest(self, part: Part, manifest: Manifest) -> None:
        path = self._manifest_path(part)
        temporary = path.with_suffix(".part")
        temporary.write_text(manifest.to_json(), encoding="utf-8")
        temporary.replace(path)

    def status(self, part: Part) -> Status:
        folder = self.folder(part)
        files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
        found = sum(file.stat().st_size for file in files)
        if not files:
            return Status(part, "absent", folder, 0)
        if folder.is_symlink():
            return Status(part, "linked", folder, found)
        manifest = self.manifest(part)
        whole = manifest is not None and not list(self._wrong_sizes(folder, manifest))
        return Status(part, "complete" if whole else "incomplete", folder, found)

    def link(self, part: Part, folder: Path) -> None:
        """Use files the user already has, where they are. Raises: WeightsMissing if the part's own folder is in the way."""
        own = self.folder(part)
        if own.exists() and own.resolve() == folder.resolve():
            return  # it is what is used already
        if own.is_symlink():
            own.unlink()
        if own.exists():
            raise WeightsMissing(f"{own} holds files already; remove it to use {folder} instead")
        self.root.mkdir(parents=True, exist_ok=True)
        own.symlink_to(folder.resolve(), target_is_directory=True)
        self._manifest_path(part).unlink(missing_ok=True)

    def check(self, part: Part, *, on_file: OnFile) -> None:
        """Compare sizes, then hashes, with the manifest; linked folders have none. Raises: WeightsMissing naming a file."""
        folder, manifest = self.folder(part), self.manifest(part)
        if not folder.is_dir():
            raise WeightsMissing(
                f"{part.name} is not there; get it with: happyhorse weights pull magihuman {part.name}"
            )
        if manifest is None:
            return
        for problem in self._wrong_sizes(folder, manifest):
            raise WeightsMissing(problem)
        for name, file in manifest.files.items():
            check_hash(folder / name, file)
            on_file(name, file.size)

    def _manifest_path(self, part: Part) -> Path:
        return self.root / f"{part.name}.manifest.json"

    @staticmethod
    def _wrong_sizes(folder: Path, manifest: Manifest) -> Iterator[str]:
        for name, file in manifest.files.items():
            path = folder / name
            if not path.is_file():
                yield f"{path} is missing; pull the part again"
            elif path.stat().st_size != file.size:
                yield f"{path} has {path.stat().st_size} bytes; it was published with {file.size}: pull the part again"


def read_manifest(path: Path, *, cure: str) -> Manifest:
    """Read what `Manifest.to_json` wrote. Raises: WeightsMissing saying the `cure` if it cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        files = {name: File(**file) for name, file in values["files"].items()}
        return Manifest(values["repo"], values["revision"], files)
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise WeightsMissing(f"{path} cannot be read ({err!r}); {cure}") from err


def check_hash(path: Path, file: File) -> File:
    """Return the file with its SHA-256 where none was described. Raises: WeightsMissing if it is not the one that was."""
    digest = hashlib.sha256()
    digests = [(digest, file.sha256)]
    if file.git_sha1:
        blob = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
        digests.append((blob, file.git_sha1))
    with path.open("rb") as opened:
        while block := opened.read(_BLOCK):
            for each, _ in digests:
                each.update(block)
    for each, expected in digests:
        if expected is not None and each.hexdigest() != expected:
            raise WeightsMissing(
                f"{path} has the hash {each.hexdigest()[:12]}; it was published with {expected[:12]}: "
                "remove it and pull the part again"
            )
    return replace(file, sha256=digest.hexdigest())

"""What a conversion was made of: sizes and hashes of the files it was read from, kept in its folder.

So weights with smaller values say which publication they come from, and are not used in place of another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from happyhorse.errors import WeightsMissing
from happyhorse.hub.parts import Part
from happyhorse.hub.store import File, Manifest, OnFile, WeightStore, check_hash, read_manifest

ORIGIN_FILE = "origin.json"
_SHARDS = "*.safetensors"


def origin_of(store: WeightStore, part: Part, *, on_file: OnFile) -> Manifest:
    """Hash the shards of a part, which reads all of them; `on_file(name, bytes)` follows each one.

    Raises: WeightsMissing for a download that is not what was published.
    """
    folder, published = store.folder(part), store.manifest(part)
    files: dict[str, File] = {}
    for name, file in _present(store, part).items():
        files[name] = check_hash(folder / name, file)
        on_file(name, file.size)
    if not files:
        raise WeightsMissing(f"there are no weights at {folder}")
    if published is None:
        return Manifest(str(folder.resolve()), "", files)
    return Manifest(published.repo, published.revision, files)


def check_origin(store: WeightStore, part: Part, converted: Path) -> str:
    """Return in words what a conversion was made of.

    A part that was downloaded is compared by sizes and hashes of its manifest, the user's own files by size; one that is gone is
    not missed. Raises: WeightsMissing if the part now consists of other files than the conversion was made of.
    """
    record = converted / ORIGIN_FILE
    if not record.is_file():
        return f"{converted.name} does not say what it was made of"
    origin = read_manifest(record, cure=f"remove {converted} and convert the part again")
    present = _present(store, part)
    for name in sorted(present.keys() | origin.files.keys()) if present else ():
        if not _alike(present.get(name), origin.files.get(name)):
            raise WeightsMissing(
                f"{converted} was not made of the {name} of {store.folder(part)}; remove {converted} and convert the part again"
            )
    return f"{converted.name} was made of {_named(origin)}"


def _present(store: WeightStore, part: Part) -> Mapping[str, File]:
    """The shards of a part: as they were published, or, with sizes alone, as they lie there."""
    published = store.manifest(part)
    if published is not None:
        return {name: file for name, file in published.files.items() if Path(name).match(_SHARDS)}
    folder = store.folder(part)
    return {
        str(path.relative_to(folder)): File(path.stat().st_size) for path in sorted(folder.rglob(_SHARDS))
    }


def _alike(one: File | None, other: File | None) -> bool:
    if one is None or other is None or one.size != other.size:
        return False
    return one.sha256 is None or one.sha256 == other.sha256


def _named(origin: Manifest) -> str:
    """Where the files came from, and one hash for all of them."""
    where = f"{origin.repo} at {origin.revision[:8]}" if origin.revision else origin.repo
    hashes = "".join(origin.files[name].sha256 or "" for name in sorted(origin.files))
    count = len(origin.files)
    return f"{where} ({count} file{'s' * (count > 1)}, together {hashlib.sha256(hashes.encode()).hexdigest()[:12]})"

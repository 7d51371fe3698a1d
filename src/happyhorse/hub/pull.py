"""Download parts from the Hugging Face hub: asked first, resumed where it stopped, checked before it counts as there."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,  # httpx's or httpx2's, as the version has it
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from happyhorse.errors import EngineError, Forbidden, WeightsMissing
from happyhorse.hub.parts import GB, Part
from happyhorse.hub.store import File, Manifest, OnFile, WeightStore, check_hash

_SPARE_BYTES = GB


@dataclass(frozen=True)
class Hub:
    """Which server, and as whom; None means what huggingface_hub finds by itself (HF_ENDPOINT, HF_TOKEN, a login)."""

    endpoint: str | None = None
    token: str | None = None

    def describe(self, part: Part) -> Manifest:
        """Ask which files a part has today, with sizes and hashes.

        Raises: Forbidden for a gated part without leave, WeightsMissing if it has none of the files, EngineError offline.
        """
        with _explained(part):
            info = HfApi(endpoint=self.endpoint, token=self.token).model_info(part.repo, files_metadata=True)
        files: dict[str, File] = {}
        for sibling in info.siblings or ():
            inside = sibling.rfilename.removeprefix(part.prefix)
            wanted = any(fnmatch.fnmatchcase(inside, pattern) for pattern in part.patterns)
            if sibling.rfilename.startswith(part.prefix) and wanted and "/" not in inside:
                sha256 = sibling.lfs.sha256 if sibling.lfs else None
                files[inside] = File(sibling.size or 0, sha256, None if sha256 else sibling.blob_id)
        if not files:
            raise WeightsMissing(f"{part.repo} has no {part.prefix}{' or '.join(part.patterns)} any more")
        return Manifest(part.repo, info.sha or "main", files)

    def check_access(self, parts: Sequence[Part]) -> None:
        """Ask whether these gated parts may be downloaded: the hub may describe them to anyone.

        Raises: Forbidden naming all that may not, EngineError offline.
        """
        refused = []
        for part in parts:
            try:
                with _explained(part):
                    HfApi(endpoint=self.endpoint, token=self.token).auth_check(part.repo)
            except Forbidden:
                refused.append(part)
        if refused:
            raise Forbidden(_gated(refused))

    def fetch(self, part: Part, manifest: Manifest, name: str, staging: Path) -> Path:
        """Download one file below `staging`, or go on where an earlier try stopped."""
        with _explained(part):
            return Path(
                hf_hub_download(
                    part.repo,
                    part.prefix + name,
                    revision=manifest.revision,
                    local_dir=staging,
                    endpoint=self.endpoint,
                    token=self.token,
                )
            )


def check_pull(store: WeightStore, hub: Hub, manifests: Mapping[Part, Manifest]) -> None:
    """Find out before any of some parts is downloaded whether all of them can be.

    Raises: WeightsMissing if the disk is too small, or a part is a link to the user's files; as `Hub.check_access`.
    """
    for part in manifests:
        _check_no_link(store.folder(part))
    hub.check_access(
        [part for part, manifest in manifests.items() if part.gated and _lacks(store, part, manifest)]
    )
    _check_space(store, manifests)


def pull_part(store: WeightStore, hub: Hub, part: Part, manifest: Manifest, *, on_file: OnFile) -> None:
    """Bring a part to the store. Files that are there and right are kept, also those of an earlier publication;
    `on_file(name, bytes)` follows each one.

    Raises: WeightsMissing for a file whose size or hash is wrong or if the disk is too small; as Hub.fetch.
    """
    folder = store.folder(part)
    _check_no_link(folder)
    staging = store.root / ".download" / part.name
    staging.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(store, {part: manifest})
    checked = _checked_before(store, part)
    for name, file in manifest.files.items():
        path = folder / name
        if not _is_right(path, file, checked=checked.get(name) == file):
            fetched = hub.fetch(part, manifest, name, staging)
            _check(fetched, file)
            fetched.replace(path)
        on_file(name, file.size)
    store.write_manifest(part, manifest)
    shutil.rmtree(staging, ignore_errors=True)


def _check_no_link(folder: Path) -> None:
    if folder.is_symlink():
        raise WeightsMissing(f"{folder} is a link to files of yours; remove the link to download the part")


def _check_space(store: WeightStore, manifests: Mapping[Part, Manifest]) -> None:
    lacked = {part.name: _lacks(store, part, manifest) for part, manifest in manifests.items()}
    needed = _SPARE_BYTES + sum(file.size for files in lacked.values() for file in files)
    free = shutil.disk_usage(
        next(place for place in (store.root, *store.root.parents) if place.exists())
    ).free
    if needed > free:
        names = ", ".join(name for name, files in lacked.items() if files) or "files of every part"
        raise WeightsMissing(
            f"{names} need {needed / GB:.2f} GB, one to spare included, and {free / GB:.2f} GB are free at {store.root}"
        )


def _lacks(store: WeightStore, part: Part, manifest: Manifest) -> list[File]:
    """The files that are to be downloaded, as far as sizes and the hashes that were checked say."""
    checked = _checked_before(store, part)
    return [
        file
        for name, file in manifest.files.items()
        if not _has_size(store.folder(part) / name, file) or checked.get(name, file) != file
    ]


def _has_size(path: Path, file: File) -> bool:
    return path.is_file() and path.stat().st_size == file.size


def _checked_before(store: WeightStore, part: Part) -> Mapping[str, File]:
    """The files whose hashes were right when they came."""
    try:
        before = store.manifest(part)
    except WeightsMissing:  # this pull writes a new one
        return {}
    return before.files if before else {}


def _is_right(path: Path, file: File, *, checked: bool) -> bool:
    """Whether a file is there as it is published now; it is hashed unless it was `checked` when it came."""
    if not _has_size(path, file):
        return False
    try:
        return checked or bool(check_hash(path, file))
    except WeightsMissing:
        return False


def _check(path: Path, file: File) -> None:
    """A file that arrived wrong is removed, so that the next try starts anew."""
    try:
        if path.stat().st_size != file.size:
            raise WeightsMissing(
                f"{path.name} came with {path.stat().st_size} bytes; {file.size} were announced"
            )
        check_hash(path, file)
    except WeightsMissing:
        path.unlink()
        raise


def _gated(parts: Sequence[Part]) -> str:
    repos = " and ".join(part.repo for part in parts)
    pages = " and ".join(f"{part.page} ({part.licence.name})" for part in parts)
    are, their = ("are", "their") if len(parts) > 1 else ("is", "its")
    return f"{repos} {are} gated: accept {their} terms at {pages}, then log in with 'hf auth login' or set HF_TOKEN"


@contextmanager
def _explained(part: Part) -> Iterator[None]:
    """Turn the hub's errors into one sentence each."""
    try:
        yield
    except GatedRepoError as err:
        raise Forbidden(_gated([part])) from err
    except RepositoryNotFoundError as err:
        raise WeightsMissing(f"{part.repo} is not on the hub, or not for this login") from err
    except (HfHubHTTPError, LocalEntryNotFoundError, HTTPError, OSError) as err:
        said = str(err).strip().splitlines()
        raise EngineError(
            f"the hub could not be reached for {part.repo}: {said[0] if said else err!r}"
        ) from err

"""Download parts from the Hugging Face hub: asked first, resumed where it stopped, checked before it counts as there."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Iterator, Mapping
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


def pull_part(store: WeightStore, hub: Hub, part: Part, manifest: Manifest, *, on_file: OnFile) -> None:
    """Bring a part to the store. Files that are there and right are kept, also those of an earlier publication;
    `on_file(name, bytes)` follows each one.

    Raises: WeightsMissing for a file whose size or hash is wrong or if the disk is too small; as Hub.fetch.
    """
    folder = store.folder(part)
    if folder.is_symlink():
        raise WeightsMissing(f"{folder} is a link to files of yours; remove the link to download the part")
    staging = store.root / ".download" / part.name
    staging.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(store.root, folder, manifest)
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


def _checked_before(store: WeightStore, part: Part) -> Mapping[str, File]:
    """The files whose hashes were right when they came."""
    try:
        before = store.manifest(part)
    except WeightsMissing:  # this pull writes a new one
        return {}
    return before.files if before else {}


def _is_right(path: Path, file: File, *, checked: bool) -> bool:
    """Whether a file is there as it is published now; it is hashed unless it was `checked` when it came."""
    if not path.is_file() or path.stat().st_size != file.size:
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


def _check_space(root: Path, folder: Path, manifest: Manifest) -> None:
    there = sum(file.size for name, file in manifest.files.items() if (folder / name).is_file())
    needed, free = manifest.num_bytes - there + _SPARE_BYTES, shutil.disk_usage(root).free
    if needed > free:
        raise WeightsMissing(
            f"{folder.name} needs {needed / GB:.1f} GB and {free / GB:.1f} GB are free at {root}"
        )


@contextmanager
def _explained(part: Part) -> Iterator[None]:
    """Turn the hub's errors into one sentence each."""
    try:
        yield
    except GatedRepoError as err:
        raise Forbidden(
            f"{part.repo} is gated: accept its terms ({part.licence.name}) at {part.page}, then log in with "
            "'hf auth login' or set HF_TOKEN"
        ) from err
    except RepositoryNotFoundError as err:
        raise WeightsMissing(f"{part.repo} is not on the hub, or not for this login") from err
    except (HfHubHTTPError, LocalEntryNotFoundError, HTTPError, OSError) as err:
        said = str(err).strip().splitlines()
        raise EngineError(
            f"the hub could not be reached for {part.repo}: {said[0] if said else err!r}"
        ) from err

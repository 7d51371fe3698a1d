"""Commands for the weights of the 15 B engine: get them, see them, check them, make them smaller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happyhorse.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from happyhorse.hub.parts import Part
    from happyhorse.hub.pull import Hub
    from happyhorse.hub.store import Manifest, WeightStore
    from happyhorse.model.layouts import Entry

weights = typer.Typer(help="Get and check the weights of engine magihuman.", no_args_is_help=True)

_Engine = Annotated[str, typer.Argument(help="The engine.", metavar="ENGINE")]
_Parts = Annotated[list[str] | None, typer.Argument(help="Parts [all but base].", metavar="PART")]


@weights.command()
def pull(
    engine: _Engine,
    parts: _Parts = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Use the files in this folder, where they are.", metavar="DIR"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licences shown.")] = False,
) -> None:
    """Download what is missing, once you agree.

    Shows licences and sizes first; goes on where it stopped.
    """
    from happyhorse.hub.parts import find_parts

    chosen, store = find_parts(engine, parts or ()), _store(engine)
    if source is not None:
        _adopt(store, chosen, source)
        return
    from happyhorse.hub.pull import Hub, check_pull, pull_part

    hub = Hub()
    manifests = _describe(hub, chosen)
    check_pull(store, hub, manifests)
    if not yes and not typer.confirm("Do you accept these licences and download?", err=True):
        raise typer.Exit(1)
    store.root.mkdir(parents=True, exist_ok=True)
    for part, manifest in manifests.items():
        print(f"{part.name}: {len(manifest.files)} files")
        pull_part(store, hub, part, manifest, on_file=_say_file)
        _make_ready(store, part)


@weights.command("list")
def list_parts(engine: _Engine) -> None:
    """Show every part, its terms, and if it is here."""
    from happyhorse.hub.parts import GB, PARTS, find_parts

    find_parts(engine)
    store = _store(engine)
    print(store.root)
    for part in PARTS:
        status = store.status(part)
        here = "" if status.state == "absent" else f", {status.found_bytes / GB:.1f} GB here"
        needed = "optional" if part.optional else "needed"
        print(f"{part.name:<13} {status.state:<10} {part.expected_bytes / GB:5.1f} GB{here}")
        print(f"{'':<13} {part.purpose}; {needed}; {part.licence.name}{', gated' if part.gated else ''}")
        for converted in store.conversions(part):
            size = sum(file.stat().st_size for file in converted.iterdir())
            print(f"{'':<13} {converted.name}, a conversion: {size / GB:.1f} GB here")


@weights.command()
def verify(
    engine: _Engine,
    parts: _Parts = None,
    values: Annotated[bool, typer.Option("--values", help="Read every value; minutes.")] = False,
) -> None:
    """Check sizes, hashes, names and shapes; the first fault ends it."""
    from happyhorse.hub.parts import find_parts

    store = _store(engine)
    for part in find_parts(engine, parts or ()):
        store.check(part, on_file=_say_file)
        for said in _verified(store, part, values=values):
            print(said)


@weights.command()
def convert(
    engine: _Engine,
    part: Annotated[str, typer.Argument(help="turbo_vae, or a network.", metavar="PART")],
    fp8: Annotated[bool, typer.Option("--fp8", help="Eight bits a value instead of sixteen.")] = False,
) -> None:
    """Write a part in another form beside it.

    A network with smaller values, or TurboVAE's pickle as safetensors.
    """
    from happyhorse.hub.parts import NETWORKS, find_parts

    store = _store(engine)
    (chosen,) = find_parts(engine, [part])
    if part == "turbo_vae":
        _make_ready(store, chosen)
        return
    if part not in NETWORKS:
        raise InvalidRequest(
            f"part must be turbo_vae or one of {', '.join(NETWORKS)}; got '{part}'", field="part"
        )
    from happyhorse.hub.origin import check_origin
    from happyhorse.model.convert import convert_network
    from happyhorse.model.release import NETWORKS as RELEASE

    target = store.conversion(chosen, "fp8" if fp8 else "bf16")
    convert_network(
        store.folder(chosen),
        target,
        RELEASE[part].config,
        storage="fp8" if fp8 else "published",
        beside=_origin(store, chosen),
    )
    print(target)
    print(check_origin(store, chosen, target))


def _store(engine: str) -> WeightStore:
    from happyhorse.hub.store import WeightStore
    from happyhorse.settings import Settings

    return WeightStore(Settings.from_env().weights_dir / engine)


def _adopt(store: WeightStore, parts: Sequence[Part], source: Path) -> None:
    from happyhorse.engines.magihuman_stored import judge_files
    from happyhorse.hub.adopt import adopt

    found = adopt(store, parts, source, judge_files)
    for part in parts:
        if part.name in found:
            print(f"{part.name}: {found[part.name]}; {part.licence.name}")
            _make_ready(store, part)
        else:
            print(f"{part.name}: not there")


def _describe(hub: Hub, parts: Sequence[Part]) -> dict[Part, Manifest]:
    """Print what would be downloaded and under which terms."""
    from happyhorse.hub.parts import GB

    manifests = {}
    for part in parts:
        manifests[part] = manifest = hub.describe(part)
        print(f"{part.name:<13} {manifest.num_bytes / GB:7.2f} GB  {part.repo} at {manifest.revision[:8]}")
        gated = f"; gated, accepted at {part.page}" if part.gated else ""
        print(f"{'':<13} {part.licence.name}: {part.licence.summary} ({part.licence.url}){gated}")
    print(f"{'in all':<13} {sum(m.num_bytes for m in manifests.values()) / GB:7.2f} GB")
    return manifests


def _make_ready(store: WeightStore, part: Part) -> None:
    """TurboVAE is published as a pickle; the engine reads what is made of it here, once."""
    if part.name != "turbo_vae":
        return
    from happyhorse.model.convert import TURBO_VAE_FILE, convert_turbo_vae

    target = store.root / TURBO_VAE_FILE
    convert_turbo_vae(store.folder(part), target)
    print(target)


def _verified(store: WeightStore, part: Part, *, values: bool) -> Iterator[str]:
    """Judge what hashes do not, and say it: what the engine would read of a part, and conversions of it."""
    from happyhorse.engines.magihuman_stored import judge_part
    from happyhorse.hub.origin import check_origin
    from happyhorse.hub.parts import NETWORKS
    from happyhorse.model.convert import TURBO_VAE_FILE
    from happyhorse.model.layouts import read_headers

    folder, is_published = store.folder(part), store.manifest(part) is not None
    hashed = "sizes and hashes are right" if is_published else "linked"
    if part.name == "turbo_vae":
        judge_part(store, part.name, values=True)
        yield f"{part.name}: {hashed}; {TURBO_VAE_FILE} can be read"
    elif part.name in NETWORKS:
        yield f"{part.name}: {_network(part, folder, values=values)}"
        for converted in store.conversions(part):
            judged = _network(part, converted, values=values)
            yield check_origin(store, part, converted)
            yield f"{converted.name}: {judged}"
    elif is_published:
        yield f"{part.name}: {hashed}"
    else:
        judge_part(store, part.name)
        yield f"{part.name}: {hashed}, {_tensors(read_headers(folder), values=values)}"


def _network(part: Part, folder: Path, *, values: bool) -> str:
    from happyhorse.model.layouts import judged_shards
    from happyhorse.model.release import NETWORKS

    shards = judged_shards(folder, NETWORKS[part.name].config)
    return f"{shards.layout} layout, {_tensors(shards.entries, values=values)}"


def _tensors(entries: Mapping[str, Entry], *, values: bool) -> str:
    """Say what was judged of tensors whose headers are right; `values` are read and judged here."""
    from happyhorse.model.layouts import read_tensors

    if values:
        for _ in read_tensors(entries):
            pass
    return f"{len(entries)} tensors, {'every value is finite' if values else 'names and shapes are right'}"


def _origin(store: WeightStore, part: Part) -> Iterator[tuple[str, str]]:
    from happyhorse.hub.origin import ORIGIN_FILE, origin_of

    yield ORIGIN_FILE, origin_of(store, part, on_file=_say_file).to_json()


def _say_file(name: str, num_bytes: int) -> None:
    print(f"  {name}  {num_bytes / 1e6:.1f} MB", flush=True)

"""Read what a file says of its making and whether that is still true: its C2PA manifest and, for media, its tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from happyhorse.errors import InvalidRequest, MediaError, Unsupported
from happyhorse.media.read import probe, read_tags
from happyhorse.media.sandbox import open_input
from happyhorse.provenance.manifest import ACTIONS, GENERATION, SELF_MADE, prompt_hash
from happyhorse.provenance.process import Refused, call_helper, is_installed

Verdict = Literal["intact", "changed", "none"]
_MARK = b"jumdc2pa\x00\x11\x00\x10"
"""How a manifest store begins, in a file of any kind."""
_ABOUT_TRUST = "signingCredential.untrusted"


@dataclass(frozen=True)
class Ingredient:
    """Something the file was made from. `manifest` is that of the ingredient itself, as it was when it was used."""

    title: str
    relationship: str
    manifest: Verdict


@dataclass(frozen=True)
class Report:
    """What a file says; what follows `problems` is empty without a manifest that can be read, but for `tags`."""

    file: str
    manifest: Verdict
    problems: tuple[str, ...]
    """What does not hold, by C2PA's codes; the prompt's tag counts as `happyhorse.prompt.mismatch`."""
    signer: str
    signed_here: bool
    """Whether the certificate is this machine's own."""
    publicly_trusted: bool | None
    """None when that cannot be known without a trust list."""
    generator: str
    source_type: str
    actions: tuple[str, ...]
    ingredients: tuple[Ingredient, ...]
    generation: Mapping[str, object]
    tags: Mapping[str, str]

    @property
    def verdict(self) -> str:
        """One sentence on the manifest."""
        if self.manifest == "none":
            return f"{self.file} has no C2PA manifest"
        if self.manifest == "changed":
            return f"{self.file} was changed after it was signed: {', '.join(self.problems)}"
        return f"{self.file} is as it was signed"

    @property
    def trust(self) -> str:
        """One sentence on the signer; empty when none is known."""
        if not self.signer:
            return ""
        if self.publicly_trusted:
            return f"signed by {self.signer}, who is on the trust list"
        if self.signed_here:
            return "signed by this machine, not publicly trusted"
        if self.publicly_trusted is None:
            return f"signed by {self.signer}; whether that is publicly trusted needs --trust-list"
        return f"signed by {self.signer}, not publicly trusted"


def inspect(path: Path, *, known_serial: str | None = None, trust_list: Path | None = None) -> Report:
    """Verify a file. Nothing is fetched from the network.

    Args:
        path: media of any kind that can carry a manifest.
        known_serial: of this machine's signer.
        trust_list: PEM file with the certificates of the authorities to trust, such as C2PA's public list.

    Raises: MediaError for what is no media, Unsupported without the C2PA library, InvalidRequest for a bad trust list.
    """
    open_input(path, "file").close()
    if not is_installed():
        raise Unsupported("inspect needs the C2PA library: pip install c2pa-python", field="file")
    try:
        call = {"op": "read", "source": str(path.absolute()), "trust_list": _read_list(trust_list)}
        answer = call_helper(call)
    except Refused as err:
        if _MARK in path.read_bytes():  # so damaged that the library cannot even look for its parts
            return _without_manifest(path, "changed", (f"happyhorse.unreadable ({err})",))
        probe(path)  # what is no media is said so
        raise MediaError(f"file: {path.name} cannot carry a manifest: {err}", field="file") from err
    store: Mapping[str, Any] | None = answer.get("store")  # type: ignore[assignment]
    if store is None:
        probe(path)
        return _without_manifest(path, "none", ())
    return _report(path, store, known_serial=known_serial, with_list=trust_list is not None)


def _without_manifest(path: Path, verdict: Verdict, problems: tuple[str, ...]) -> Report:
    return Report(path.name, verdict, problems, "", False, None, "", "", (), (), {}, _tags(path))


def _read_list(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise InvalidRequest(f"trust-list {path} cannot be read as a PEM file", field="trust-list") from err
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise InvalidRequest(f"trust-list {path} holds no certificate in PEM", field="trust-list")
    return text


def _report(path: Path, store: Mapping[str, Any], *, known_serial: str | None, with_list: bool) -> Report:
    active = store["manifests"][store["active_manifest"]]
    assertions = {entry["label"]: entry["data"] for entry in active.get("assertions", ())}
    actions = assertions.get(ACTIONS, assertions.get("c2pa.actions", {})).get("actions", ())
    generation = assertions.get(GENERATION, {})
    signature = active.get("signature_info", {})
    tags = _tags(path)
    problems = _problems(store.get("validation_results", {}).get("activeManifest", {}))
    if "prompt" in tags and "prompt_sha256" in generation:
        problems += ("happyhorse.prompt.mismatch",) * (
            prompt_hash(tags["prompt"]) != generation["prompt_sha256"]
        )
    generators = active.get("claim_generator_info") or [{"name": active.get("claim_generator", "")}]
    return Report(
        file=path.name,
        manifest="changed" if problems else "intact",
        problems=problems,
        signer=signature.get("common_name") or signature.get("issuer", ""),
        signed_here=known_serial is not None and signature.get("cert_serial_number") == known_serial,
        publicly_trusted=_trusted(store, signature, with_list=with_list),
        generator=f"{generators[0]['name']} {generators[0].get('version', '')}".strip(),
        source_type=next((a["digitalSourceType"] for a in actions if "digitalSourceType" in a), ""),
        actions=tuple(action["action"] for action in actions),
        ingredients=tuple(_ingredient(entry) for entry in active.get("ingredients", ())),
        generation=generation,
        tags=tags,
    )


def _problems(results: Mapping[str, Any]) -> tuple[str, ...]:
    codes: Iterable[str] = (found["code"] for found in results.get("failure", ()))
    return tuple(dict.fromkeys(code for code in codes if code != _ABOUT_TRUST))


def _trusted(store: Mapping[str, Any], signature: Mapping[str, Any], *, with_list: bool) -> bool | None:
    if store.get("validation_state") == "Trusted":
        return True
    return False if with_list or signature.get("common_name") == SELF_MADE else None


def _ingredient(entry: Mapping[str, Any]) -> Ingredient:
    results = entry.get("validation_results", {}).get("activeManifest")
    verdict: Verdict = "none" if results is None else "changed" if _problems(results) else "intact"
    return Ingredient(entry.get("title", ""), entry.get("relationship", ""), verdict)


def _tags(path: Path) -> Mapping[str, str]:
    """Empty for pictures, and for a file too damaged to be opened."""
    try:
        return read_tags(path)
    except MediaError:
        return {}

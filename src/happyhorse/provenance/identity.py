"""Who signs: a private key with its certificate chain, in one PEM file.

Made once for a machine and kept in its data folder; a user's own file takes its place (HAPPYHORSE_SIGNER). A signer's
certificate may not be self-signed, so an authority is made for it, whose key is thrown away.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from happyhorse.errors import InvalidRequest
from happyhorse.provenance.manifest import SELF_MADE

FILE = "signer.pem"
_VALID = timedelta(days=3650)
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Identity:
    """A key that can sign, and the certificates that name its owner, leaf first."""

    key: str
    certificates: str
    algorithm: str
    """As C2PA names it: es256, ps256, ed25519, ..."""
    serial: str
    """Of the leaf; decimal."""


def open_identity(data_dir: Path, own: Path | None) -> Identity:
    """Return the user's own identity, or this machine's, which is made when there is none yet.

    Where the data folder cannot be written to, the identity lasts as long as the process.

    Raises: InvalidRequest for an own file that holds no usable key and certificates.
    """
    if own is not None:
        return _read(own)
    place = data_dir / FILE
    try:
        if not place.exists():
            _keep(place, _make())
        return _read(place)
    except OSError:
        return _parse(_make(), place)


def known_serial(data_dir: Path, own: Path | None) -> str | None:
    """The serial number of this machine's signer; None when it has not signed yet."""
    place = own or data_dir / FILE
    try:
        return _read(place).serial if place.exists() else None
    except OSError:
        return None


def _read(place: Path) -> Identity:
    try:
        return _parse(place.read_text(encoding="ascii"), place)
    except FileNotFoundError as err:
        raise InvalidRequest(f"signer {place} does not exist", field="signer") from err
    except UnicodeDecodeError as err:
        raise _unusable(place) from err


def _parse(text: str, place: Path) -> Identity:
    try:
        key = load_pem_private_key(text.encode(), password=None)
        chain = x509.load_pem_x509_certificates(text.encode())
    except (ValueError, TypeError) as err:
        raise _unusable(place) from err
    if key.public_key() != chain[0].public_key():
        raise InvalidRequest(
            f"signer {place}: the first certificate is not of its private key", field="signer"
        )
    return Identity(
        key=_key_pem(key),  # type: ignore[arg-type]
        certificates="".join(_certificate_pem(certificate) for certificate in chain),
        algorithm=_algorithm(key, place),
        serial=str(chain[0].serial_number),
    )


def _unusable(place: Path) -> InvalidRequest:
    text = f"signer {place} must be a PEM file with a private key without a password and its certificates, leaf first"
    return InvalidRequest(text, field="signer")


def _algorithm(key: object, place: Path) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    text = f"signer {place}: the key must be P-256, P-384, P-521, RSA or Ed25519; got {type(key).__name__}"
    raise InvalidRequest(text, field="signer")


def _keep(place: Path, text: str) -> None:
    """Write it whole, readable by its owner alone; of two that come at once, one stays."""
    place.parent.mkdir(parents=True, exist_ok=True)
    mine = place.with_name(f".{secrets.token_hex(6)}")
    try:
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(mine, place)
    except FileExistsError:
        pass
    finally:
        mine.unlink(missing_ok=True)


def _make() -> str:
    """A P-256 key with a leaf of its own authority, as PEM."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name(f"{SELF_MADE}: authority {secrets.token_hex(4)}")
    identifier = x509.SubjectKeyIdentifier.from_public_key
    above = (
        _builder(issuer, issuer, authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        _builder(_name(SELF_MADE), issuer, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(identifier(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False
        )
        .sign(authority, hashes.SHA256())
    )
    return _key_pem(key) + _certificate_pem(leaf) + _certificate_pem(above)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + _VALID)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    parts: Sequence[x509.NameAttribute[str]] = (
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "happyhorse"),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    )
    return x509.Name(parts)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()

"""The cloud's own certificate authority, and the certificates that it gives to servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3653)
"""Ten years: every host and user must be given a new one before it ends."""

CERTIFICATE_LIFE = timedelta(days=825)
"""The longest that Apple's systems take from a private authority; Chrome and Firefox keep their
398 days to public ones. Longer than a year, so that a cloud which is looked at once a year
has been told in time."""

CLOCK_SKEW = timedelta(hours=24)
"""Certificates are valid from this long ago, for hosts whose clock is behind."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Pair:
    """A certificate and its key, both PEM. Has no text of its own: the key is a secret."""

    certificate: str
    key: str


def make_authority(common_name: str, now: datetime) -> Pair:
    """A new authority (EC P-256, ten years), signed by itself; it may sign no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(issuer, critical=False)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def make_certificate(
    common_name: str, names: tuple[str, ...], authority: Pair, now: datetime
) -> Pair:
    """A certificate for a server (or a client) that answers to `names`: IP addresses, DNS names.

    It never outlives its authority. ValueError when `names` is empty: nothing would accept it.
    """
    if not names:
        raise ValueError(f"a certificate for nothing: {common_name}")
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    life = min(CERTIFICATE_LIFE, issuer.not_valid_after_utc - now)
    builder = _builder(_name(common_name), issuer.subject, key.public_key(), now, life)
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(alternatives, critical=False)
        .add_extension(of_issuer, critical=False)
    )
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def life_of(certificate: str) -> tuple[datetime, datetime]:
    """When the (first) certificate of a PEM text begins and ends, in UTC."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    return found.not_valid_before_utc, found.not_valid_after_utc


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    now = now.astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )

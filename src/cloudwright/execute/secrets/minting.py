"""A secret's recipe becomes a value, once."""

from __future__ import annotations

import base64
import hashlib
import secrets as randomness
import string
from datetime import datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from cloudwright.execute.secrets.authority import Pair, make_authority, make_certificate
from cloudwright.model.secrets import (
    Ca,
    Certificate,
    FernetKey,
    FernetRing,
    Password,
    RabbitHash,
    Secret,
    SshKey,
)

LETTERS = string.ascii_letters + string.digits


def mint(secret: Secret, store: dict[str, dict[str, str]], now: datetime) -> dict[str, str]:
    """The parts of `secret` in `store` (`Secret.key` → part → value), made there when missing.

    What it is made from (an authority, a password) is made first. A value that is there is never
    touched.
    """
    if secret.key not in store:
        store[secret.key] = _make(secret, store, now)
    return store[secret.key]


def _make(secret: Secret, store: dict[str, dict[str, str]], now: datetime) -> dict[str, str]:
    match secret.recipe:
        case Password(length=length):
            return {"": "".join(randomness.choice(LETTERS) for _ in range(length))}
        case FernetKey() | FernetRing():
            return {"": base64.urlsafe_b64encode(randomness.token_bytes(32)).decode()}
        case SshKey(comment=comment):
            return _ssh_key(comment)
        case RabbitHash(of=password):
            return {"": rabbit_hash(mint(password, store, now)[""], randomness.token_bytes(4))}
        case Ca(common_name=common_name):
            pair = make_authority(common_name, now)
            return {"certificate": pair.certificate, "key": pair.key}
        case Certificate(common_name=common_name, names=names, issuer=issuer):
            parts = mint(issuer, store, now)
            authority = Pair(certificate=parts["certificate"], key=parts["key"])
            pair = make_certificate(common_name, names, authority, now)
            chain = pair.certificate + authority.certificate
            return {"certificate": chain, "key": pair.key, "combined": chain + pair.key}


def rabbit_hash(password: str, salt: bytes) -> str:
    """What RabbitMQ's definitions take for a password: base64 of salt + SHA-256(salt + password).

    `salt` is 4 bytes. Source: RabbitMQ, "Credentials and Passwords".
    """
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _ssh_key(comment: str) -> dict[str, str]:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return {"private": private.decode(), "public": f"{public.decode()} {comment}"}

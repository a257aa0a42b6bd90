"""A secret's name, generation and recipe; its text is a placeholder and never a value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

_PLACEHOLDER = re.compile(
    r"⟦secret:(?P<name>[A-Za-z0-9._@/-]+):(?P<generation>[1-9][0-9]*)"
    r"(?:~(?P<recipe>[0-9a-f]{8}))?(?:#(?P<part>[a-z]+))?⟧"
)
_NAME = re.compile(r"[A-Za-z0-9._@/-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Password:
    """Letters and digits, so that it needs no quoting in a URL, INI, SQL or shell word."""

    length: int = 32
    """Characters; 32 of 62 are 190 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FernetKey:
    """32 random bytes in URL-safe base64: what Keystone's Fernet tokens and credentials take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FernetRing:
    """Fernet keys that follow each other: every host has the next one before anybody uses it, and
    keeps earlier ones for what was made with them. A generation is one of the keys."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SshKey:
    """An Ed25519 key pair for SSH. Parts: `private` (OpenSSH PEM) and `public` (one line)."""

    comment: str = "cloudwright"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ca:
    """A certificate authority. Parts: `certificate` and `key`."""

    common_name: str = "Cloudwright CA"


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A server's (and client's) certificate. Parts: `certificate` (with its issuer's behind it),
    `key`, and `combined` (both in one file, as HAProxy reads them)."""

    common_name: str
    names: tuple[str, ...]
    """IP addresses and DNS names that it is for."""
    issuer: Secret
    """A secret with a `Ca` recipe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RabbitHash:
    """RabbitMQ's salted SHA-256 hash of a password, for its definitions file."""

    of: Secret
    """A secret with a `Password` recipe."""


Recipe = Password | FernetKey | FernetRing | SshKey | Ca | Certificate | RabbitHash


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """The only type that may stand for a secret value. Safe to print, to hash and to compare.

    `str(secret)` is a placeholder for use in rendered text; `secret.part(...)` is that of a part.
    A certificate for other names, or a hash of another password, is another secret: what decides
    such a value stands (as a digest) in the placeholder, so that the text changes with it.
    """

    name: str
    """Letters, digits and `._@/-`: `nova/database`."""
    generation: int = 1
    """Raised by a rotation."""
    recipe: Recipe = Password()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.generation < 1:
            raise ValueError(f"no name for a secret: {self.name!r}, {self.generation}")

    @property
    def key(self) -> str:
        """What the vault keeps the value under."""
        return f"{self.name}:{self.generation}{self._decides}"

    @property
    def lineage(self) -> str:
        """What all of its generations have in common, and no other secret has."""
        return f"{self.name}{self._decides}"

    @property
    def _decides(self) -> str:
        match self.recipe:
            case Certificate(common_name=common_name, names=names, issuer=issuer):
                decides = repr((common_name, sorted(names), issuer.key))
            case RabbitHash(of=password):
                decides = password.key
            case _:
                return ""
        return f"~{hashlib.sha256(decides.encode()).hexdigest()[:8]}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its parts; none when it is one text."""
        match self.recipe:
            case Certificate():
                return ("certificate", "key", "combined")
            case Ca():
                return ("certificate", "key")
            case SshKey():
                return ("private", "public")
            case Password() | FernetKey() | FernetRing() | RabbitHash():
                return ()

    def __str__(self) -> str:
        return placeholder(self.key)

    def part(self, name: str) -> str:
        """The placeholder of one part; ValueError when the recipe has no such part."""
        if name not in self.parts:
            raise ValueError(f"{self.name} has no part {name!r}: {self.parts}")
        return placeholder(self.key, name)


def taken_apart(key: str) -> tuple[str, int]:
    """Lineage and generation of the secret that the vault keeps under `key`."""
    whole, tilde, decides = key.partition("~")
    name, _, generation = whole.rpartition(":")
    return f"{name}{tilde}{decides}", int(generation)


def current(secret: Secret, generations: Mapping[str, int]) -> Secret:
    """The secret in the generation that its lineage is in; its own when nothing is said of it."""
    return replace(secret, generation=generations.get(secret.lineage, secret.generation))


def ring(secret: Secret, older: int) -> tuple[Secret, ...]:
    """The key after this one, this one, and `older` before it, as many as there ever were."""
    first = max(1, secret.generation - older)
    return tuple(
        replace(secret, generation=n) for n in range(secret.generation + 1, first - 1, -1)
    )


def placeholder(key: str, part: str = "") -> str:
    """What stands in a text for the secret that the vault keeps under `key`, or for its part."""
    return f"⟦secret:{key}#{part}⟧" if part else f"⟦secret:{key}⟧"


def find_secrets(text: str) -> set[tuple[str, int]]:
    """(name, generation) of every placeholder in `text`."""
    return {(m["name"], int(m["generation"])) for m in _PLACEHOLDER.finditer(text)}


def find_placeholders(text: str) -> set[str]:
    """Every placeholder in `text`, parts apart."""
    return {m[0] for m in _PLACEHOLDER.finditer(text)}


def find_keys(text: str) -> set[str]:
    """What the vault keeps each secret of `text` under."""
    return {m[0][len("⟦secret:") : -1].partition("#")[0] for m in _PLACEHOLDER.finditer(text)}


def without_secrets(text: str) -> str:
    """`text` with a word in each placeholder's place: of the form that a value would have."""
    return _PLACEHOLDER.sub("secret", text)


def told(text: str, *, named: bool = False) -> str:
    """`text` with each placeholder as a person reads it: `(secret, generation 2)`."""
    return _PLACEHOLDER.sub(
        lambda m: f"(secret{' ' + m['name'] if named else ''}, generation {m['generation']})", text
    )


def unfill(text: str, values: Mapping[str, str]) -> str:
    """`text` with the placeholder of each value (`values`: placeholder → value) in its place.

    Undoes `fill`, of any generation that `values` has; a value that two secrets share becomes
    either's. Texts of fewer than 8 characters are left: they would be found in any word.
    """
    known = sorted(((v, p) for p, v in values.items() if len(v) >= 8), key=lambda x: -len(x[0]))
    for value, placeholder in known:
        text = text.replace(value, placeholder)
    return text


def pattern_of(text: str) -> re.Pattern[str] | None:
    """What matches `text` with any words in its placeholders' places; None when it has none."""
    parts = _PLACEHOLDER.split(text)
    if len(parts) == 1:
        return None
    step = _PLACEHOLDER.groups + 1
    return re.compile("(.+?)".join(re.escape(part) for part in parts[::step]), re.DOTALL)


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with each placeholder's value (`values`: placeholder → value) in its place.

    KeyError names a placeholder that has none: half-filled text never reaches a host.
    Values are not looked at again: one that looks like a placeholder stays as it is.
    """
    return _PLACEHOLDER.sub(lambda m: values[m[0]], text)

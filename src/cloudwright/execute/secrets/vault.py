"""The values of secrets, made on first use and kept encrypted in one file beside `cloud.yaml`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyrage
from pyrage import x25519

from cloudwright.errors import HostError, Missing
from cloudwright.execute.secrets.authority import life_of
from cloudwright.execute.secrets.minting import mint
from cloudwright.model.renewal import Kept
from cloudwright.model.secrets import Secret, placeholder, taken_apart

IDENTITY_VARIABLE = "CLOUDWRIGHT_IDENTITY"
"""Names a file with the age identity, for operators who keep it apart from the secrets."""

FORMAT = 1

Store = dict[str, dict[str, str]]
"""`Secret.key` → part → value; a secret of one text has one part, called nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Files:
    secrets: Path
    previous: Path
    lock: Path
    identity: Path


class Vault:
    """`secrets.age` in `directory`, encrypted (age, X25519) to an identity.

    The identity is the file that `CLOUDWRIGHT_IDENTITY` names, else `identity` in the same
    directory, made on first use, readable by its owner alone. Whoever has neither a backup of the
    identity nor a running cloud has lost the secrets. The file before the last change is kept as
    `secrets.age.previous`.
    """

    def __init__(
        self,
        directory: Path,
        identity: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`clock` says what time it is; certificates begin then."""
        self.clock = clock
        given = identity or os.environ.get(IDENTITY_VARIABLE)
        self._directory = directory
        self._files = _Files(
            secrets=directory / "secrets.age",
            previous=directory / "secrets.age.previous",
            lock=directory / "secrets.lock",
            identity=Path(given) if given else directory / "identity",
        )
        self._may_make_identity = not given

    def __repr__(self) -> str:
        return f"Vault({str(self._directory)!r})"

    def values(self, secrets: Iterable[Secret]) -> Mapping[str, str]:
        """Placeholder → value of each secret and of each part of it.

        What has no value yet gets one; all new ones are written at once, before they are given
        out. HostError when the file or the identity cannot be read: nothing is overwritten.
        """
        secrets = sorted(set(secrets), key=lambda s: s.key)
        try:
            with self._locked():
                identity = self._identity()
                store = self._read(identity)
                before = len(store)
                now = self.clock()
                for secret in secrets:
                    mint(secret, store, now)
                if len(store) != before:
                    self._write(store, identity)
        except OSError as error:
            raise _unusable(self._files.secrets, error) from error
        return {text: value for secret in secrets for text, value in _texts(secret, store)}

    def kept(self) -> Mapping[str, str]:
        """Placeholder → value of every secret here, of every generation; none is made."""
        return {
            placeholder(key, part): value
            for key, parts in self._stored().items()
            for part, value in parts.items()
        }

    def last(self, lineage: str) -> int:
        """The last generation of the secret of `Secret.lineage` that is here; 0 without any."""
        found = (taken_apart(key) for key in self._stored())
        return max((number for name, number in found if name == lineage), default=0)

    def certificates(self) -> tuple[Kept, ...]:
        """Every certificate here, of every generation, the authority's included; none is made."""
        found = []
        for key, parts in self._stored().items():
            if "certificate" in parts:
                lineage, generation = taken_apart(key)
                begins, ends = life_of(parts["certificate"])
                found.append(
                    Kept(lineage=lineage, generation=generation, begins=begins, ends=ends)
                )
        return tuple(found)

    def _stored(self) -> Store:
        try:
            with self._locked():
                return self._read(self._identity()) if self._files.secrets.exists() else {}
        except OSError as error:
            raise _unusable(self._files.secrets, error) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time: two runs must not make two values of one secret."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._files.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _identity(self) -> x25519.Identity:
        path = self._files.identity
        if not path.exists():
            if not self._may_make_identity or self._files.secrets.exists():
                raise Missing(
                    "the identity that opens the secrets is not there",
                    where=str(path),
                    hint=f"put it back, or name its file in {IDENTITY_VARIABLE}; without it "
                    f"{self._files.secrets} cannot be opened",
                )
            _write_whole(path, f"{x25519.Identity.generate()}\n".encode())
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        try:
            return x25519.Identity.from_str(keys[0])
        except (IndexError, pyrage.IdentityError):
            # The cause would show the line, which is the key.
            raise HostError(
                "not an age identity",
                where=str(path),
                hint="its first line that is no comment begins with AGE-SECRET-KEY-1",
            ) from None

    def _read(self, identity: x25519.Identity) -> Store:
        path = self._files.secrets
        if not path.exists():
            if self._files.previous.exists():
                hint = f"copy {self._files.previous} to it: the secrets of this cloud are in there"
                raise Missing("the secrets are not there", where=str(path), hint=hint)
            return {}
        try:
            plain = pyrage.decrypt(path.read_bytes(), [identity])
            kept = json.loads(plain)
            if kept["format"] != FORMAT:
                said = f"secrets of format {kept['format']}, which this version does not know"
                raise HostError(said, where=str(path), hint="use a newer cloudwright")
            return {key: dict(parts) for key, parts in kept["secrets"].items()}
        except pyrage.DecryptError as error:
            raise HostError(
                "the secrets cannot be opened",
                where=str(path),
                why=str(error),
                hint=f"{self._files.identity} is not the identity that they were encrypted to "
                f"(name the right one in {IDENTITY_VARIABLE}), or the file is damaged "
                f"({self._files.previous} is the one before it)",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError):
            # The cause could show a value.
            hint = f"{self._files.previous} is the one before it"
            raise HostError("not a file of secrets", where=str(path), hint=hint) from None

    def _write(self, store: Store, identity: x25519.Identity) -> None:
        path, previous = self._files.secrets, self._files.previous
        plain = json.dumps({"format": FORMAT, "secrets": store}, sort_keys=True, indent=1)
        if path.exists():
            _write_whole(previous, path.read_bytes())
        _write_whole(path, pyrage.encrypt(plain.encode(), [identity.to_public()]))


def _texts(secret: Secret, store: Store) -> Iterator[tuple[str, str]]:
    parts = store[secret.key]
    if set(parts) != set(secret.parts or ("",)):
        raise HostError(
            f"the secret {secret.name} is kept in another form than is asked for now",
            hint="raise its generation",
        )
    for name, value in parts.items():
        yield secret.part(name) if name else str(secret), value


def _write_whole(path: Path, content: bytes) -> None:
    """All of `content` in `path` or nothing, whenever the power fails; for its owner alone."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _unusable(path: Path, error: OSError) -> HostError:
    return HostError(
        "the secrets cannot be read or written",
        where=str(error.filename or path),
        why=error.strerror or str(error),
        hint="look at its owner and mode, and whether there is space left",
    )

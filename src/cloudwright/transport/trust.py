"""A host is trusted for its key; every way in which a login fails gets words of its own."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

from cloudwright.errors import Unreachable
from cloudwright.transport.lean_ssh import asyncssh


class KeyWatch(asyncssh.SSHClient):
    """Remembers the key of a host that was not found among the known ones."""

    def __init__(self) -> None:
        self.refused: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Refuse, and keep the key for the error text."""
        self.refused = key
        return False


def known_hosts_path(path: Path | None) -> Path:
    """The file that is asked: the given one, or the user's own."""
    return path if path is not None else Path.home() / ".ssh" / "known_hosts"


def known_hosts_of(path: Path | None) -> asyncssh.SSHKnownHosts:
    """Read the known hosts; no file means that none is known, never that all are trusted."""
    file = known_hosts_path(path)
    try:
        text = file.read_text(errors="replace") if file.exists() else ""
        return asyncssh.import_known_hosts(text)
    except (OSError, ValueError) as error:
        raise Unreachable(
            "the list of known hosts cannot be read",
            where=str(file),
            why=str(error),
            hint="repair the file, or name another one",
        ) from error


def login_error(
    error: Exception, watch: KeyWatch, *, name: str, where: str, known_hosts: Path | None
) -> Unreachable:
    """Say which of the many ways of not getting in this was."""
    what, why, hint = _told(error, name)
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        what, why, hint = _key_told(error, watch, where, known_hosts_path(known_hosts), name)
    return Unreachable(what, where=where, why=why, hint=hint)


def _told(error: Exception, name: str) -> tuple[str, str, str]:
    match error:
        case socket.gaierror():
            return (
                f"the address of {name} is not known to DNS",
                error.strerror or str(error),
                "correct the address in cloud.yaml, or use an IP address",
            )
        case ConnectionRefusedError():
            return (
                f"{name} refuses the connection",
                str(error),
                "see that sshd runs there and listens on this port",
            )
        case TimeoutError() | asyncio.TimeoutError():
            return (
                f"{name} does not answer",
                "no answer in time",
                "see that the host is on and that no firewall is in between",
            )
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return (
                f"{name} cannot be reached",
                error.strerror or str(error),
                "see that the host is on, and that this machine has a route to its address",
            )
        case asyncssh.PermissionDenied():
            return (
                f"{name} does not let us in",
                error.reason,
                "add the public key to ~/.ssh/authorized_keys there, or name another `ssh.key`",
            )
        case OSError(filename=str(file)):
            return (
                f"the SSH key for {name} cannot be read",
                f"{file}: {(error.strerror or str(error)).lower()}",
                "name a file of yours as `ssh.key` in cloud.yaml; its place is told from there on",
            )
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            return (
                f"the SSH key for {name} cannot be read",
                str(error),
                "name an `ssh.key` in OpenSSH or PEM form; a key with a passphrase belongs in an "
                "ssh-agent",
            )
        case _:
            return (f"no connection to {name}", str(error), "try `ssh` by hand to see more")


def _key_told(
    error: Exception, watch: KeyWatch, where: str, file: Path, name: str
) -> tuple[str, str, str]:
    host, _, port = where.rpartition("@")[2].rpartition(":")
    entry = host if port == "22" else f"[{host}]:{port}"
    known = bool(known_hosts_of(file).match(host, host, int(port))[0])
    seen = watch.refused.get_fingerprint() if watch.refused is not None else str(error)
    if known:
        return (
            f"the host key of {name} has changed",
            f"it shows {seen}, and {file} says otherwise",
            "someone may be in between; if the host was made anew, first "
            f"`ssh-keygen -R '{entry}' -f {file}`",
        )
    return (
        f"the host key of {name} is not known",
        f"it shows {seen}, and {file} has no entry for it",
        f"compare it with the host's own, then `ssh-keyscan -p {port} {host} >> {file}`",
    )

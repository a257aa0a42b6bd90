"""A host is a machine that we can run commands on, give files to and open sockets through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from cloudwright.errors import CommandFailed

DEFAULT_TIMEOUT = 120.0
"""Seconds that a command may take when its caller does not say."""

TIMED_OUT = 124
"""The exit status of a command that we ended for taking too long, as timeout(1) has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """What a command left: its exit status and what it wrote."""

    status: int
    stdout: str
    stderr: str = ""

    @property
    def output(self) -> str:
        """Both streams, the errors last: what a person wants to read."""
        return self.stdout + self.stderr


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file as it shall be on a host; `owner` is `user:group`, each a name or a number."""

    path: str
    content: bytes
    mode: int = 0o644
    owner: str = "root:root"

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if not path.is_absolute() or ".." in path.parts or not path.name or "\0" in self.path:
            raise ValueError(f"not an absolute path of a file: {self.path!r}")
        if self.owner.count(":") != 1 or not all(self.owner.split(":")):
            raise ValueError(f"not user:group: {self.owner!r}")

    @property
    def directory(self) -> str:
        """The directory that holds it."""
        return str(PurePosixPath(self.path).parent)

    @property
    def name(self) -> str:
        """Its last part."""
        return PurePosixPath(self.path).name


class Host(Protocol):
    """One machine that we can reach; one connection for a whole run."""

    @property
    def name(self) -> str:
        """What the cloud calls this machine."""
        ...

    async def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Completed:
        """Run a POSIX shell command as root and return what it left.

        `timeout` is in seconds; a command that takes longer is killed with its children. Raises
        CommandFailed for a status other than 0 when `check`, and always for a command that took
        too long; Unreachable when the host is lost.
        """
        ...

    async def put(self, files: Sequence[File]) -> None:
        """Write all files in one go, each whole or not at all; missing parents are made.

        A parent made for private files only (no right for group or others) is 0700, else 0755.
        """
        ...

    async def get(self, path: str) -> bytes:
        """Return the content of a file; raises Missing when there is none."""
        ...

    async def unix_socket(self, remote_path: str) -> Path:
        """Return a local UNIX socket that leads to a UNIX socket of the host."""
        ...

    async def tcp_socket(self, address: str, port: int) -> Path:
        """Return a local UNIX socket that leads to `address:port` as seen from the host."""
        ...

    async def listens(self, address: str, port: int) -> bool:
        """Whether a connection to `address:port` from the host is taken; Unreachable when the
        host is lost. A port that lets everybody wait is waited for: give it a time."""
        ...

    async def close(self) -> None:
        """Let the connection and every forwarded socket go."""
        ...


def private_directories(files: Sequence[File]) -> dict[str, bool]:
    """Each directory that holds one of `files`, and whether all of those are private."""
    directories: dict[str, bool] = {}
    for file in files:
        private = file.mode & 0o077 == 0
        directories[file.directory] = directories.get(file.directory, True) and private
    return directories


def checked(completed: Completed, command: str, *, where: str, check: bool) -> Completed:
    """Return `completed`, or raise CommandFailed when it failed and `check` asks for success."""
    if check and completed.status != 0:
        raise CommandFailed(command, completed.status, completed.output, where=where)
    return completed


def took_too_long(command: str, output: str, timeout: float, *, where: str) -> CommandFailed:
    """The error for a command that was killed after `timeout` seconds."""
    return CommandFailed(
        command,
        TIMED_OUT,
        output,
        where=where,
        hint=f"it was killed after {timeout:g} s; is the host overloaded, or does it wait?",
    )

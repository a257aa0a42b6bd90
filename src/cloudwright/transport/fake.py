"""A host in memory: it keeps files, runs nothing, and fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cloudwright.errors import Missing, Unreachable
from cloudwright.transport.host import DEFAULT_TIMEOUT, Completed, File, checked

Action = Literal["run", "put", "get", "unix_socket", "tcp_socket", "listens"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An error for the next `action`: before it has any effect, or after it had all of it."""

    action: Action
    error: Exception
    after: bool = False


Answer = Callable[[str, bytes], Completed]
"""What stands for the host's shell: a command and its input to what it left."""


def no_shell(command: str, stdin: bytes) -> Completed:
    """The answer of a host that can run nothing."""
    return Completed(status=127, stdout="", stderr=f"not run by a host in memory: {command}\n")


class FakeHost:
    """A Host whose files are a dictionary; `answer` may compute what commands leave."""

    def __init__(self, name: str, *, answer: Answer = no_shell) -> None:
        self._name = name
        self._answer = answer
        self._failures: list[Failure] = []
        self.files: dict[str, File] = {}
        self.commands: list[str] = []
        self.lost = False

    @property
    def name(self) -> str:
        """What the cloud calls this machine."""
        return self._name

    def fail_next(self, failure: Failure) -> None:
        """Let the next such action fail; several are used up in order."""
        self._failures.append(failure)

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.files

    async def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Completed:
        """Remember the command and give what `answer` says."""
        failure = self._begin("run")
        self.commands.append(command)
        completed = self._answer(command, stdin)
        self._end(failure)
        return checked(completed, command, where=self._name, check=check)

    async def put(self, files: Sequence[File]) -> None:
        """Keep files, all of them or none."""
        failure = self._begin("put")
        self.files |= {file.path: file for file in files}
        self._end(failure)

    async def get(self, path: str) -> bytes:
        """Return the content of a file."""
        failure = self._begin("get")
        self._end(failure)
        if path not in self.files:
            raise Missing(f"no such file: {path}", where=self._name)
        return self.files[path].content

    async def unix_socket(self, remote_path: str) -> Path:
        """There is nothing to lead to."""
        self._end(self._begin("unix_socket"))
        raise self._unreachable(f"nothing listens on {remote_path}")

    async def tcp_socket(self, address: str, port: int) -> Path:
        """There is nothing to lead to."""
        self._end(self._begin("tcp_socket"))
        raise self._unreachable(f"nothing listens on {address}:{port}")

    async def listens(self, address: str, port: int) -> bool:
        """Nobody does."""
        self._end(self._begin("listens"))
        return False

    async def close(self) -> None:
        """A closed connection answers no more."""
        self.lost = True

    def _begin(self, action: Action) -> Failure | None:
        if self.lost:
            raise self._unreachable("it is lost")
        failure = next((f for f in self._failures if f.action == action), None)
        if failure is not None:
            self._failures.remove(failure)
            if not failure.after:
                raise failure.error
        return failure

    def _end(self, failure: Failure | None) -> None:
        if failure is not None:
            raise failure.error

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable(f"the connection to {self._name} was lost", where=self._name, why=why)

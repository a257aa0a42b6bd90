"""A long-lived remote shell answers one command after another, far faster than new channels do."""

from __future__ import annotations

import asyncio
import base64
import secrets
import shlex
from dataclasses import dataclass

from cloudwright.transport.lean_ssh import asyncssh

LINE = 76 * 64
"""Characters of base64 in one line; a shell reads a line at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawCompleted:
    """What a command left, as bytes."""

    status: int
    stdout: bytes
    stderr: bytes


class ShellLostError(Exception):
    """The shell is gone: its connection broke, or something ended it."""

    def __init__(self, stderr: bytes, cause: Exception | None) -> None:
        super().__init__(str(cause or "the remote shell ended"))
        self.stderr = stderr
        self.cause = cause


class _Session(asyncssh.SSHClientSession[bytes]):
    """Collects both streams until the mark of a command's end has come on each."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.lost = False
        self.cause: Exception | None = None
        self._mark = b""
        self._seen = 0
        self._done: asyncio.Future[None] | None = None

    def expect(self, mark: bytes) -> asyncio.Future[None]:
        """Forget what came before and return a future that is done once `mark` came on both."""
        self.stdout.clear()
        self.stderr.clear()
        self._mark, self._seen = mark, 0
        self._done = asyncio.get_running_loop().create_future()
        if self.lost:
            self._done.set_result(None)
        return self._done

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        stream = self.stderr if datatype == asyncssh.EXTENDED_DATA_STDERR else self.stdout
        stream += data
        if self._done is not None and not self._done.done() and self._ended():
            self._done.set_result(None)

    def _ended(self) -> bool:
        """Stdout ends with the mark, the status and a line feed; stderr with the mark."""
        # Only the tail is looked at, so that much output stays cheap to take in.
        return (
            self.stdout.endswith(b"\n")
            and self._mark in self.stdout[-(len(self._mark) + 8) :]
            and self.stderr.endswith(self._mark)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost, self.cause = True, exc
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


class Shell:
    """One remote `/bin/sh`; runs one command at a time."""

    def __init__(self, channel: asyncssh.SSHClientChannel[bytes], session: _Session) -> None:
        self._channel = channel
        self._session = session
        self.group = 0

    @property
    def alive(self) -> bool:
        """Whether it can take a command."""
        return not self._session.lost

    async def run(self, command: str, stdin: bytes = b"") -> RawCompleted:
        """Run `command` in a subshell of its own; raises ShellLostError."""
        mark = secrets.token_hex(16)
        done = self._session.expect(mark.encode())
        try:
            self._channel.write(_enclosed(command, stdin, mark))
        except (OSError, asyncssh.Error) as error:
            raise ShellLostError(b"", error) from error
        await done
        stdout, stderr = bytes(self._session.stdout), bytes(self._session.stderr)
        output, found, status = stdout.rpartition(mark.encode())
        if not found or not stderr.endswith(mark.encode()):
            raise ShellLostError(stderr, self._session.cause)
        return RawCompleted(
            status=int(status), stdout=output, stderr=stderr.removesuffix(mark.encode())
        )

    def partial(self) -> str:
        """What the command in flight has written so far."""
        return (self._session.stdout + self._session.stderr).decode(errors="replace")

    def abandon(self) -> None:
        """Let the channel go without waiting for anything."""
        self._channel.abort()


async def open_shell(connection: asyncssh.SSHClientConnection, *, sudo: bool) -> Shell:
    """Start a root shell; raises ShellLostError with what `sudo` said when it will not have us."""
    # `exec` leaves the login shell, whose start files have then cost their time once.
    program = "exec sudo -n /bin/sh" if sudo else "exec /bin/sh"
    session = _Session()
    channel, _ = await connection.create_session(
        lambda: session, program, encoding=None, request_pty=False
    )
    shell = Shell(channel, session)
    # The process group, so that a command which hangs can be killed with all its children.
    answer = await shell.run("read -r stat </proc/$$/stat; set -- $stat; echo $5")
    shell.group = int(answer.stdout)
    return shell


def _enclosed(command: str, stdin: bytes, mark: str) -> bytes:
    """What to write to the shell for one command.

    A shell runs nothing of a brace group that it has not read to its end, so a broken connection
    cannot run half a command or give it half its input. `eval` in a subshell keeps a syntax error
    from ending the shell, and keeps the command out of every process list.
    """
    body = f"( eval {shlex.quote(command)} )"
    if stdin:
        # The brace group holds the pipe open, so a command may leave input unread.
        body = f"base64 -d <<'{mark}' | {{ {body}; s=$?; cat >/dev/null; exit $s; }}"
        encoded = base64.b64encode(stdin).decode()
        lines = [encoded[i : i + LINE] for i in range(0, len(encoded), LINE)]
        body = "\n".join([body, *lines, mark])
    else:
        body += " </dev/null"
    return (f"{{\n{body}\ns=$?\nprintf '%s %d\\n' {mark} $s\nprintf %s {mark} >&2\n}}\n").encode()

"""SSH reaches a host over one connection that is kept for a whole run."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudwright.errors import CommandFailed, Missing, Unreachable
from cloudwright.transport import archive
from cloudwright.transport.bridge import Bridge, open_bridge
from cloudwright.transport.host import (
    DEFAULT_TIMEOUT,
    Completed,
    File,
    checked,
    took_too_long,
)
from cloudwright.transport.lean_ssh import asyncssh
from cloudwright.transport.scratch import Scratch
from cloudwright.transport.shell import RawCompleted, Shell, ShellLostError, open_shell
from cloudwright.transport.trust import KeyWatch, known_hosts_of, login_error

SHELLS = 6
"""Commands in flight on one host; sshd allows ten sessions a connection unless told otherwise."""

KEEPALIVE_SECONDS = 5.0
KEEPALIVES_MISSED = 3
"""A host that is silent for 15 s is lost."""

PUT_TIMEOUT = 600.0

CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Before those that asyncssh likes better: its ChaCha20 makes a context in Python for each packet,
which was 8 % of all that a look at five hosts computes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SshAddress:
    """Where and as whom to log in; the key and the known hosts are the user's own unless given."""

    host: str
    port: int = 22
    user: str = "root"
    key_file: Path | None = None
    known_hosts: Path | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


async def connect_ssh(name: str, address: SshAddress, *, timeout: float = 10.0) -> SshHost:
    """Log in to the host called `name`; `timeout` is in seconds.

    Raises Unreachable with a text of its own for a name unknown to DNS, a refused or silent port,
    an unknown or changed host key, a login refused, and a user who may not become root.
    """
    watch = KeyWatch()
    known_hosts = known_hosts_of(address.known_hosts)
    keys: dict[str, Any] = {}
    if address.key_file is not None:
        keys = {"client_keys": [str(address.key_file)], "agent_path": None}
    try:
        connection = await asyncssh.connect(
            address.host,
            address.port,
            username=address.user,
            config=None,
            known_hosts=known_hosts,
            client_factory=lambda: watch,
            connect_timeout=timeout,
            login_timeout=timeout,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVES_MISSED,
            password_auth=False,
            kbdint_auth=False,
            encryption_algs=CIPHERS,
            **keys,
        )
    except (OSError, asyncssh.Error, ValueError) as error:
        raise login_error(
            error, watch, name=name, where=str(address), known_hosts=address.known_hosts
        ) from error
    host = SshHost(name, address, connection)
    try:
        await host.run("true", timeout=timeout)
    except BaseException:
        await host.close()
        raise
    return host


class SshHost:
    """A Host behind an SSH connection."""

    def __init__(
        self, name: str, address: SshAddress, connection: asyncssh.SSHClientConnection
    ) -> None:
        self._name = name
        self._address = address
        self._connection = connection
        self._idle: list[Shell] = []
        self._slots = asyncio.Semaphore(SHELLS)
        self._sockets: dict[str, Path] = {}
        self._socket_lock = asyncio.Lock()
        self._listeners: list[asyncssh.SSHListener] = []
        self._bridges: list[Bridge] = []
        self._scratch: Scratch | None = None

    @property
    def name(self) -> str:
        """What the cloud calls this machine."""
        return self._name

    async def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Completed:
        """Run a command as root; see Host."""
        raw = await self._run(command, stdin, timeout)
        completed = Completed(
            status=raw.status,
            stdout=raw.stdout.decode(errors="replace"),
            stderr=raw.stderr.decode(errors="replace"),
        )
        return checked(completed, command, where=self._name, check=check)

    async def put(self, files: Sequence[File]) -> None:
        """Write files, each whole or not at all; see Host."""
        if not files:
            return
        token = secrets.token_hex(6)
        command = archive.unpack_command(files, token)
        raw = await self._run(command, archive.pack(files, token), PUT_TIMEOUT)
        if raw.status != 0:
            output = (raw.stdout + raw.stderr).decode(errors="replace")
            raise archive.unpack_error(files, raw.status, output, where=self._name)

    async def get(self, path: str) -> bytes:
        """Return the content of a file; see Host."""
        quoted = shlex.quote(path)
        raw = await self._run(f"[ -f {quoted} ] || exit 66; cat -- {quoted}", b"", PUT_TIMEOUT)
        if raw.status == 66:
            raise Missing(f"no such file: {path}", where=self._name)
        if raw.status != 0:
            output = raw.stderr.decode(errors="replace")
            raise CommandFailed(f"cat {path}", raw.status, output, where=self._name)
        return raw.stdout

    async def unix_socket(self, remote_path: str) -> Path:
        """Return a local socket that leads to `remote_path`; see Host."""

        async def forward(path: str) -> asyncssh.SSHListener:
            target = remote_path
            if self._address.user != "root":
                # sshd opens a socket as the user who logged in, and this one is root's.
                user = self._address.user
                bridge = await open_bridge(self._connection, target, user, where=self._name)
                self._bridges.append(bridge)
                target = bridge.path
            return await self._connection.forward_local_path(path, target)

        return await self._socket(remote_path, forward)

    async def tcp_socket(self, address: str, port: int) -> Path:
        """Return a local socket that leads to `address:port`; see Host."""
        return await self._socket(
            f"{address}:{port}",
            lambda path: self._connection.forward_local_path_to_port(path, address, port),
        )

    async def listens(self, address: str, port: int) -> bool:
        """Whether `address:port` takes a connection from the host; see Host."""
        try:
            _, writer = await self._connection.open_connection(address, port)
        except asyncssh.ChannelOpenError:
            return False
        except (OSError, asyncssh.Error) as error:
            raise self._lost(error) from error
        writer.close()
        return True

    async def close(self) -> None:
        """Let the connection and every forwarded socket go."""
        for listener in self._listeners:
            # Not waited for: since Python 3.12 that lasts until everybody connected has gone.
            listener.close()
        self._listeners.clear()
        with contextlib.suppress(OSError, asyncssh.Error):
            await asyncio.gather(*(bridge.close() for bridge in self._bridges))
        self._bridges.clear()
        self._connection.close()
        with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
            await asyncio.wait_for(self._connection.wait_closed(), 5)
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    async def _run(self, command: str, stdin: bytes, timeout: float) -> RawCompleted:
        async with self._shell() as shell:
            try:
                async with asyncio.timeout(timeout):
                    return await shell.run(command, stdin)
            except TimeoutError:
                raise took_too_long(command, shell.partial(), timeout, where=self._name) from None

    @contextlib.asynccontextmanager
    async def _shell(self) -> AsyncIterator[Shell]:
        """Lend a shell; one that is not back at its prompt afterwards is killed."""
        async with self._slots:
            shell: Shell | None = None
            try:
                shell = self._idle.pop() if self._idle else await self._open()
                yield shell
            except (OSError, asyncssh.Error, ShellLostError) as error:
                raise self._lost(error) from error
            except BaseException:
                if shell is not None:
                    await self._kill(shell)
                raise
            self._idle.append(shell)

    async def _open(self) -> Shell:
        return await open_shell(self._connection, sudo=self._address.user != "root")

    async def _kill(self, shell: Shell) -> None:
        """End what hangs in a shell, through a new one: the old one listens no more."""
        shell.abandon()
        with contextlib.suppress(OSError, asyncssh.Error, ShellLostError, TimeoutError):
            async with asyncio.timeout(5):
                helper = self._idle.pop() if self._idle else await self._open()
                await helper.run(f"kill -s KILL -- -{shell.group}")
                self._idle.append(helper)

    def _lost(self, error: Exception) -> Unreachable:
        said = (
            error.stderr.decode(errors="replace").strip()
            if isinstance(error, ShellLostError)
            else ""
        )
        if said and self._address.user != "root" and "sudo" in said:
            return Unreachable(
                f"{self._address.user} may not become root on {self._name}",
                where=str(self._address),
                why=said,
                hint="allow it sudo without a password, or log in as root",
            )
        return Unreachable(
            f"the connection to {self._name} was lost",
            where=str(self._address),
            why="\n".join(part for part in (said, str(error)) if part),
            hint="see that the host and its sshd run, then do the same again",
        )

    async def _socket(
        self, key: str, forward: Callable[[str], Awaitable[asyncssh.SSHListener]]
    ) -> Path:
        async with self._socket_lock:
            if self._connection.is_closed():
                raise self._lost(ConnectionError("it is closed"))
            if key not in self._sockets:
                path = self._socket_directory() / f"{len(self._sockets)}.sock"
                try:
                    self._listeners.append(await forward(str(path)))
                except (OSError, asyncssh.Error) as error:
                    raise self._lost(error) from error
                path.chmod(0o600)
                self._sockets[key] = path
            return self._sockets[key]

    def _socket_directory(self) -> Path:
        if self._scratch is None:
            self._scratch = Scratch()
        return self._scratch.path

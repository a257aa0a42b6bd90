"""This machine is a host, too: commands and files without a connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloudwright.errors import CommandFailed, Missing
from cloudwright.transport.host import (
    DEFAULT_TIMEOUT,
    Completed,
    File,
    checked,
    private_directories,
    took_too_long,
)
from cloudwright.transport.relay import Relay, start_relay
from cloudwright.transport.scratch import Scratch

HERE = "this machine"
"""What a person is told when it is this machine that saw something."""

STOP_SECONDS = 10.0
"""What a command that is stopped has to end in, before it is killed."""
STOP_PAUSE = 0.05


class LocalHost:
    """A Host that is this machine; runs as whoever we are."""

    def __init__(self, name: str = "localhost") -> None:
        self._name = name
        self._relays: dict[str, Relay] = {}
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
        """Run a POSIX shell command; see Host."""
        pipe = asyncio.subprocess.PIPE
        process = await start_group(
            ("/bin/sh", "-c", command), stdin=pipe, stdout=pipe, stderr=pipe, cwd=Path.home()
        )
        try:
            async with asyncio.timeout(timeout):
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError:
            await end_group(process)
            raise took_too_long(command, "", timeout, where=self._name) from None
        except BaseException:
            await end_group(process)
            raise
        completed = Completed(
            status=process.returncode or 0,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
        )
        return checked(completed, command, where=self._name, check=check)

    async def put(self, files: Sequence[File]) -> None:
        """Write files, each whole or not at all; see Host."""
        try:
            await asyncio.to_thread(_write, files)
        except (OSError, LookupError) as error:
            raise CommandFailed(
                f"put {len(files)} files", 1, str(error), where=self._name
            ) from None

    async def get(self, path: str) -> bytes:
        """Return the content of a file; see Host."""
        try:
            return await asyncio.to_thread(Path(path).read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise Missing(f"no such file: {path}", where=self._name) from None
        except OSError as error:
            raise CommandFailed(f"cat {path}", 1, str(error), where=self._name) from None

    async def unix_socket(self, remote_path: str) -> Path:
        """A socket of this machine leads to itself."""
        return Path(remote_path)

    async def tcp_socket(self, address: str, port: int) -> Path:
        """Return a local socket that leads to `address:port`; see Host."""
        key = f"{address}:{port}"
        if key not in self._relays:
            if self._scratch is None:
                self._scratch = Scratch()
            self._relays[key] = await start_relay(
                self._scratch.path / f"{len(self._relays)}.sock",
                lambda: asyncio.open_connection(address, port),
            )
        return self._relays[key].path

    async def listens(self, address: str, port: int) -> bool:
        """Whether `address:port` takes a connection; see Host."""
        try:
            _, writer = await asyncio.open_connection(address, port)
        except OSError:
            return False
        writer.close()
        return True

    async def close(self) -> None:
        """Let every forwarded socket go."""
        for relay in self._relays.values():
            await relay.close()
        self._relays.clear()
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None


async def start_group(command: Sequence[str], **options: Any) -> asyncio.subprocess.Process:
    """Start a command that leads a session of its own: Ctrl-C comes to us alone, and `end_group`
    ends all that it starts. `options` are those of asyncio. Cancelled, it leaves nothing."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(*command, start_new_session=True, **options)
    )
    try:
        # Cancelled half-way, asyncio kills the command alone and waits for its children's output.
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await end_group(await starting)
        raise


async def end_group(process: asyncio.subprocess.Process) -> None:
    """End a command and its children, which it leads in a session of its own; none is left.

    They have some seconds to remove what they made for themselves.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + STOP_SECONDS
    try:
        there = _signal(process, signal.SIGTERM)
        while there and loop.time() < end:
            await asyncio.sleep(STOP_PAUSE)
            there = _signal(process, 0)
    finally:
        _signal(process, signal.SIGKILL)
        await process.communicate()


def _signal(process: asyncio.subprocess.Process, number: int) -> bool:
    """Send it to the whole group, 0 to none of it; whether there is such a group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
        return True
    return False


def _write(files: Sequence[File]) -> None:
    """Write all files beside their places, then rename all: a failure before leaves the old."""
    for directory, private in private_directories(files).items():
        _make_directory(Path(directory), 0o700 if private else 0o755)
    token = secrets.token_hex(6)
    staged: list[tuple[Path, Path]] = []
    try:
        for number, file in enumerate(files):
            path = Path(file.path)
            temporary = path.with_name(f".cloudwright-{token}-{number}")
            staged.append((temporary, path))
            _stage(temporary, file)
        for temporary, path in staged:
            temporary.replace(path)
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def _stage(path: Path, file: File) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(file.content)
    user, group = file.owner.split(":")
    if os.geteuid() == 0 or file.owner != "root:root":
        shutil.chown(
            path,
            int(user) if user.isdigit() else user,
            int(group) if group.isdigit() else group,
        )
    path.chmod(file.mode)


def _make_directory(path: Path, mode: int) -> None:
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True)
        path.chmod(mode)

"""This machine as a host keeps the promises that a host behind SSH keeps."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cloudwright.errors import CommandFailed, Missing
from cloudwright.transport.host import File
from cloudwright.transport.local import LocalHost

from .sshd import free_port

pytestmark = pytest.mark.filterwarnings("error")

OWNER = f"{os.geteuid()}:{os.getegid()}"


def with_host(test: Callable[[LocalHost], Awaitable[None]]) -> None:
    """Run `test` with this machine, and see that no task is left."""

    async def run() -> None:
        host = LocalHost()
        try:
            await test(host)
        finally:
            await host.close()
        left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        assert left == []

    asyncio.run(run())


def test_a_command_leaves_status_and_both_streams() -> None:
    async def test(host: LocalHost) -> None:
        done = await host.run("cat; echo err >&2; exit 3", stdin=b"in", check=False)
        assert (done.status, done.stdout, done.stderr) == (3, "in", "err\n")
        assert (await host.run("head -c 1", stdin=b"x" * 5_000_000)).stdout == "x"
        with pytest.raises(CommandFailed, match="ended with 1"):
            await host.run("false")

    with_host(test)


def test_a_command_that_hangs_is_killed_with_its_children() -> None:
    async def test(host: LocalHost) -> None:
        with pytest.raises(CommandFailed) as caught:
            await host.run("sleep 4245 & sleep 4246", timeout=0.2)
        assert "0.2 s" in caught.value.hint

    with_host(test)
    found = subprocess.run(["pgrep", "-f", "sleep 424[56]"], capture_output=True, check=False)
    assert found.stdout == b""


def test_put_and_get(tmp_path: Path) -> None:
    files = [
        File(path=f"{tmp_path}/a/b/open", content=b"1", mode=0o644, owner=OWNER),
        File(path=f"{tmp_path}/c/secret", content=b"\0\xff", mode=0o600, owner=OWNER),
    ]

    async def test(host: LocalHost) -> None:
        await host.put(files)
        assert [await host.get(file.path) for file in files] == [b"1", b"\0\xff"]
        with pytest.raises(Missing):
            await host.get(f"{tmp_path}/nothing")
        below = File(path=f"{tmp_path}/a/b/open/below", content=b"", owner=OWNER)
        new = File(path=files[0].path, content=b"2", owner=OWNER)
        with pytest.raises(CommandFailed):
            await host.put([new, below])
        assert await host.get(files[0].path) == b"1"

    with_host(test)
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "c/secret").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "a/b").iterdir()] == ["open"]


def test_a_tcp_port_has_a_socket() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    arrived = asyncio.Event()

    async def test(host: LocalHost) -> None:
        server = await asyncio.start_server(shout, "127.0.0.1", 0)
        path = await host.tcp_socket("127.0.0.1", server.sockets[0].getsockname()[1])
        assert path.stat().st_mode & 0o777 == 0o600
        assert await host.listens("127.0.0.1", server.sockets[0].getsockname()[1])
        assert not await host.listens("127.0.0.1", free_port())
        for _ in range(3):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"HELLO"
            writer.close()
        # One that is still open is ended with the host.
        arrived.clear()
        reader, writer = await asyncio.open_unix_connection(path)
        await arrived.wait()
        await host.close()
        assert await reader.read() == b""
        writer.close()
        server.close()
        await server.wait_closed()
        assert not path.exists()

    with_host(test)

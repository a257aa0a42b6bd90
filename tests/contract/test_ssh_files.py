"""Files and sockets over SSH, against a real sshd."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from cloudwright.errors import CommandFailed, Missing
from cloudwright.transport.host import File
from cloudwright.transport.ssh import SshHost

from . import sshd as servers
from .ssh_tests import with_host
from .sshd import Sshd, free_port

pytestmark = [
    pytest.mark.skipif(bool(servers.missing()), reason=servers.missing() or "never"),
    pytest.mark.filterwarnings("error"),
]


def test_put_writes_content_mode_owner_and_parents(sshd: Sshd, tmp_path: Path) -> None:
    binary = os.urandom(3000)
    files = [
        File(path=f"{tmp_path}/open/deep/a.conf", content=b"a\n", mode=0o644),
        File(
            path=f"{tmp_path}/open/deep/it's b", content=binary, mode=0o600, owner="daemon:42424"
        ),
        File(path=f"{tmp_path}/secret/key", content=b"", mode=0o400),
    ]

    async def test(host: SshHost) -> None:
        await host.put(files)
        await host.put([])
        assert await host.get(files[1].path) == binary

    with_host(sshd, test)
    for file in files:
        assert Path(file.path).read_bytes() == file.content
        assert Path(file.path).stat().st_mode & 0o7777 == file.mode
    assert Path(files[1].path).owner() == "daemon"
    assert Path(files[1].path).stat().st_gid == 42424
    assert (tmp_path / "open/deep").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o700
    assert len(list((tmp_path / "open/deep").iterdir())) == 2


def test_put_replaces_atomically(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "file"
    size = 2_000_000
    contents = [bytes([65 + n]) * size for n in range(6)]
    torn: list[int] = []

    async def watch() -> None:
        while True:
            if path.exists():
                content = path.read_bytes()
                if len(content) != size or content.count(content[:1]) != size:
                    torn.append(len(content))
            await asyncio.sleep(0)

    async def test(host: SshHost) -> None:
        watcher = asyncio.create_task(asyncio.to_thread(asyncio.run, stoppable()))
        for content in contents:
            await host.put([File(path=str(path), content=content)])
        stop.append(True)
        await watcher

    stop: list[bool] = []

    async def stoppable() -> None:
        task = asyncio.create_task(watch())
        while not stop:
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with_host(sshd, test)
    assert torn == []
    assert path.read_bytes() == contents[-1]


def test_put_that_fails_changes_nothing(sshd: Sshd, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("old")

    async def test(host: SshHost) -> None:
        with pytest.raises(CommandFailed):
            await host.put(
                [
                    File(path=str(old), content=b"new"),
                    File(path=f"{old}/below-a-file", content=b""),
                ]
            )
        with pytest.raises(CommandFailed, match="put 1 files") as caught:
            await host.put([File(path=str(old), content=b"new", owner="nobody-here:root")])
        assert "nobody-here" in caught.value.output

    with_host(sshd, test)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_get_of_nothing_is_missing(sshd: Sshd, tmp_path: Path) -> None:
    async def test(host: SshHost) -> None:
        with pytest.raises(Missing, match="no such file"):
            await host.get(f"{tmp_path}/nothing")

    with_host(sshd, test)


def test_sockets_are_forwarded(sshd: Sshd, tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def ask(path: Path) -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"hello")
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def test(host: SshHost) -> None:
        unix = await asyncio.start_unix_server(echo, tmp_path / "far.sock")
        tcp = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = tcp.sockets[0].getsockname()[1]
        for path in (
            await host.unix_socket(f"{tmp_path}/far.sock"),
            await host.tcp_socket("127.0.0.1", port),
        ):
            assert await ask(path) == b"HELLO"
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            paths.append(path)
        assert await host.tcp_socket("127.0.0.1", port) == paths[1]
        assert await ask(await host.unix_socket(f"{tmp_path}/nothing.sock")) == b""
        assert await host.listens("127.0.0.1", port)
        assert not await host.listens("127.0.0.1", free_port())
        for server in (unix, tcp):
            server.close()
            await server.wait_closed()

    paths: list[Path] = []
    with_host(sshd, test)
    assert not paths[0].exists()
    assert not paths[0].parent.exists()

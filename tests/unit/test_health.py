"""Daemons are asked through their sockets, and whose connection one is shows on the host."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloudwright.declare.service import ConnectedHealth, Health, SocketHealth
from cloudwright.engine.api import ContainerState, State
from cloudwright.engine.fake import FakeEngine
from cloudwright.execute.host.health import probe
from cloudwright.transport.local import LocalHost

LED = rb'{"id":0,"result":"Name: OVN_Northbound\nLeader: self\n","error":null}'


NOBODY = 2**22 + 1
"""More than any process has for a number (proc_sys_kernel(5), pid_max)."""


class Inspected(FakeEngine):
    """An engine with one container, whose first process has this number."""

    def __init__(self, state: State = "running", pid: int = 0) -> None:
        super().__init__("here")
        self._found = ContainerState(
            name="c", id="1", image="i", image_id="2", labels={}, state=state, pid=pid
        )

    async def inspect(self, name: str) -> ContainerState:
        """That container."""
        assert name == "c"
        return self._found


def ill(health: Health, engine: FakeEngine | None = None) -> str | None:
    host = LocalHost("here")
    return asyncio.run(probe(host, engine or Inspected(), "127.0.0.1", "c", health))


def ask(path: Path, health: SocketHealth, *pieces: bytes) -> tuple[str | None, bytes]:
    """What is wrong, when a daemon answers in these pieces; and what it was asked."""
    asked = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked = await reader.read(4096)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async def both() -> str | None:
        async with await asyncio.start_unix_server(answer, path):
            return await probe(LocalHost("here"), Inspected(), "127.0.0.1", "c", health)

    return asyncio.run(both()), asked


@pytest.mark.parametrize(
    ("pieces", "wrong"),
    [
        ([LED], None),
        ([LED[:30], LED[30:]], None),
        ([b'{"id":"echo","method":"echo","params":[]}\n', LED], None),
        ([LED.replace(b"self", b"unknown")], "cluster/status: Name: OVN_Northbound"),
        ([b'{"id":0,"result":null,"error":"no such database\\n"}'], "no such database"),
        ([b'{"id":0,"result":["text"],"error":null}'], "cluster/status: nothing"),
        ([LED[:30]], "does not answer: it hung up"),
        ([b"SSH-2.0\n"], "does not answer: it hung up"),
        ([b'"' + b"a" * (1 << 20) + b"a"], "no JSON"),
    ],
)
def test_a_daemon_is_well_that_answers_with_the_line(
    pieces: Sequence[bytes], wrong: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "db.ctl"
    health = SocketHealth(
        path=str(path),
        method="cluster/status",
        params=("OVN_Northbound",),
        line="Leader: (?!unknown).+",
    )
    found, asked = ask(path, health, *pieces)
    assert asked == b'{"id": 0, "method": "cluster/status", "params": ["OVN_Northbound"]}'
    assert found is None if wrong is None else wrong in str(found)


def test_where_nobody_listens_a_daemon_is_ill(tmp_path: Path) -> None:
    path = tmp_path / "db.ctl"
    health = SocketHealth(path=str(path), method="version")
    assert "No such file" in str(ill(health))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))  # as one that was killed leaves it
    assert "refused" in str(ill(health))


def test_a_container_has_the_connections_of_its_own_processes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        health = ConnectedHealth(port=port)
        none = f"has no connection to port {port}"
        assert ill(health, Inspected("exited", 0)) == "it is exited"
        assert ill(health, Inspected("running", os.getpid())) == none
        with socket.create_connection(("127.0.0.1", port)):
            assert ill(health, Inspected("running", os.getpid())) is None
            assert ill(health, Inspected("running", NOBODY)) == none

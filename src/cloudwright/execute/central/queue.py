"""RabbitMQ's accounts, tried as services use them: log in, and open a virtual host."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudwright.engine.api import Engine
from cloudwright.errors import CommandFailed, HostError
from cloudwright.plan.steps import MakeQueueUser

ANSWER_SECONDS = 10.0
"""RabbitMQ lets who fails to log in wait for some of them, so that guessing is slow."""

# The numbers of classes and methods, and the layout of frames, are those of AMQP 0-9-1.
_GREETING = b"AMQP\x00\x00\x09\x01"
_METHOD, _FRAME_END = 1, 0xCE
_START, _START_OK = (10, 10), (10, 11)
_TUNE, _TUNE_OK = (10, 30), (10, 31)
_OPEN, _OPEN_OK = (10, 40), (10, 41)
_CLOSE = (10, 50)
_MOST_BYTES = 1 << 17
"""Of a frame before the two sides have agreed; RabbitMQ's own limit is that, too."""


class _Refused(Exception):
    """The server closed the connection and said why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueServer:
    """The members of the message queue's cluster, each behind a local UNIX socket."""

    sockets: tuple[Path, ...]

    async def difference(self, user: str, password: str, vhost: str) -> str:
        """Why this user cannot work in this virtual host, in words; empty when it can.

        The first member that answers is believed: accounts are the cluster's. Raises HostError
        when none does.
        """
        for socket in self.sockets[:-1]:
            with contextlib.suppress(HostError):
                return await _ask(socket, user, password, vhost)
        return await _ask(self.sockets[-1], user, password, vhost)


async def _ask(socket: Path, user: str, password: str, vhost: str) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                return await _try(reader, writer, user, password, vhost)
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError, ValueError) as err:
        why = str(err) or type(err).__name__
        raise HostError("the message queue does not answer", why=why) from err


async def make_user(engine: Engine, action: MakeQueueUser) -> None:
    """Put the account right with RabbitMQ's own tool, as the file that the server starts with."""
    done = await engine.exec(action.container, list(action.repair))
    if done.exit_code:
        raise CommandFailed(action.repair[0], done.exit_code, done.output, where=action.container)


async def _try(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    user: str,
    password: str,
    vhost: str,
) -> str:
    writer.write(_GREETING)
    await _answer(reader, _START)
    # Without this word of ours it would drop the connection in silence.
    capability = _short("authentication_failure_close") + b"t\x01"
    properties = _short("capabilities") + b"F" + _long(capability)
    login = f"\0{user}\0{password}".encode()
    writer.write(
        _frame(_START_OK, _long(properties) + _short("PLAIN") + _long(login) + _short("en_US"))
    )
    try:
        tune = await _answer(reader, _TUNE)
    except _Refused:
        return f"user {user} cannot log in"
    writer.write(_frame(_TUNE_OK, tune))
    writer.write(_frame(_OPEN, _short(vhost) + _short("") + b"\0"))
    try:
        await _answer(reader, _OPEN_OK)
    except _Refused as err:
        return f"user {user} cannot use {vhost}: {err}"
    writer.write(_frame(_CLOSE, struct.pack(">H", 200) + _short("") + struct.pack(">HH", 0, 0)))
    await writer.drain()
    return ""


async def _answer(reader: asyncio.StreamReader, wanted: tuple[int, int]) -> bytes:
    """The arguments of the method that has to come next; _Refused when it is a close."""
    kind, _, size = struct.unpack(">BHI", await reader.readexactly(7))
    if kind != _METHOD or not 4 <= size <= _MOST_BYTES:
        raise ValueError("it does not speak AMQP 0-9-1")
    payload = await reader.readexactly(size)
    await reader.readexactly(1)
    method = struct.unpack(">HH", payload[:4])
    if method == _CLOSE:
        length = payload[6]
        raise _Refused(payload[7 : 7 + length].decode(errors="replace"))
    if method != wanted:
        raise ValueError(f"it answers with method {method}, not {wanted}")
    return payload[4:]


def _frame(method: Sequence[int], arguments: bytes) -> bytes:
    payload = struct.pack(">HH", *method) + arguments
    return struct.pack(">BHI", _METHOD, 0, len(payload)) + payload + bytes([_FRAME_END])


def _short(text: str) -> bytes:
    return bytes([len(text.encode())]) + text.encode()


def _long(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content

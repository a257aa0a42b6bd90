"""AMQP 0-9-1 as far as we need it: log in, declare a queue, publish with a confirmation, get.

The numbers of classes and methods, and the layout of frames, are those of its specification;
confirmations (class 85) are RabbitMQ's extension.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass

GREETING = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
START, START_OK = (10, 10), (10, 11)
TUNE, TUNE_OK = (10, 30), (10, 31)
OPEN, OPEN_OK = (10, 40), (10, 41)
CLOSE = (10, 50)
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE = (20, 10), (20, 11), (20, 40)
DECLARE, DECLARE_OK = (50, 10), (50, 11)
PUBLISH, RETURN = (60, 40), (60, 50)
GET, GET_OK, GET_EMPTY = (60, 70), (60, 71), (60, 72)
ACK, NACK = (60, 80), (60, 120)
SELECT, SELECT_OK = (85, 10), (85, 11)
DURABLE, MANDATORY, NO_ACK = 0b10, 0b1, 0b1
PERSISTENT = struct.pack(">HB", 0x1000, 2)
"""Property flags with the delivery mode alone, and that mode: kept on disk."""

MOST_BYTES = 1 << 17
"""Of a frame before the two sides have agreed; RabbitMQ's own limit is that, too."""


class Refused(Exception):
    """The server closed the connection or channel and said why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """One logged-in connection and the one channel on it; one caller at a time.

    Everything raises Refused for the server's word, OSError or EOFError when it is gone, and
    ValueError when what answers does not speak AMQP.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def declare_quorum(self, queue: str, members: int) -> None:
        """A durable queue of which `members` members of the cluster keep every message."""
        kind = _short("x-queue-type") + b"S" + _long(b"quorum")
        size = _short("x-quorum-initial-group-size") + b"I" + struct.pack(">i", members)
        words = struct.pack(">H", 0) + _short(queue) + bytes([DURABLE]) + _long(kind + size)
        self._say(DECLARE, words)
        await self._answer(DECLARE_OK)

    async def confirm(self) -> None:
        """From now on the server confirms each message that it has made safe."""
        self._say(SELECT, b"\0")
        await self._answer(SELECT_OK)

    async def publish(self, queue: str, body: bytes) -> None:
        """Return once the queue's majority has the message; Refused when it does not take it."""
        self._say(PUBLISH, struct.pack(">H", 0) + _short("") + _short(queue) + bytes([MANDATORY]))
        self.writer.write(frame(HEADER, 1, struct.pack(">HHQ", 60, 0, len(body)) + PERSISTENT))
        self.writer.write(frame(BODY, 1, body))
        await self.writer.drain()
        method, _ = await self._method((ACK, NACK, RETURN))
        if method != ACK:
            raise Refused("the queue did not take the message")

    async def get(self, queue: str) -> bytes | None:
        """The next message, which is taken from the queue; None when it is empty."""
        self._say(GET, struct.pack(">H", 0) + _short(queue) + bytes([NO_ACK]))
        method, _ = await self._method((GET_OK, GET_EMPTY))
        if method == GET_EMPTY:
            return None
        _, header = await read_frame(self.reader)
        size = struct.unpack(">Q", header[4:12])[0]
        body = b""
        while len(body) < size:
            body += (await read_frame(self.reader))[1]
        return body

    def _say(self, method: tuple[int, int], arguments: bytes) -> None:
        self.writer.write(method_frame(method, arguments, channel=1))

    async def _answer(self, wanted: tuple[int, int]) -> bytes:
        return (await self._method((wanted,)))[1]

    async def _method(self, wanted: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], bytes]:
        await self.writer.drain()
        return await read_method(self.reader, wanted)


async def log_in(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    user: str,
    password: str,
) -> bytes:
    """Greet and log in; Refused when the server knows no such user and password.

    Returns what it proposes: how many channels, which size of frames, which heartbeat.
    """
    writer.write(GREETING)
    await read_method(reader, (START,))
    # Without this word of ours it would drop the connection in silence.
    capability = _short("authentication_failure_close") + b"t\x01"
    properties = _short("capabilities") + b"F" + _long(capability)
    login = f"\0{user}\0{password}".encode()
    words = _long(properties) + _short("PLAIN") + _long(login) + _short("en_US")
    writer.write(method_frame(START_OK, words))
    return (await read_method(reader, (TUNE,)))[1]


async def open_vhost(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proposal: bytes, vhost: str
) -> None:
    """Agree to the proposal, but for heartbeats, and open the virtual host; Refused if it may
    not."""
    writer.write(method_frame(TUNE_OK, proposal[:6] + struct.pack(">H", 0)))
    writer.write(method_frame(OPEN, _short(vhost) + _short("") + b"\0"))
    await read_method(reader, (OPEN_OK,))


async def open_channel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Channel:
    """The channel of a connection whose virtual host is open."""
    writer.write(method_frame(CHANNEL_OPEN, _short(""), channel=1))
    await read_method(reader, (CHANNEL_OPEN_OK,))
    return Channel(reader=reader, writer=writer)


def goodbye() -> bytes:
    """The frame that ends a connection."""
    return method_frame(CLOSE, struct.pack(">H", 200) + _short("") + struct.pack(">HH", 0, 0))


async def read_method(
    reader: asyncio.StreamReader, wanted: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], bytes]:
    """The next method, which has to be one of `wanted`, and its arguments."""
    kind, payload = await read_frame(reader)
    while kind == HEARTBEAT:
        kind, payload = await read_frame(reader)
    if kind != METHOD or len(payload) < 4:
        raise ValueError("it does not speak AMQP 0-9-1")
    method = struct.unpack(">HH", payload[:4])
    if method in (CLOSE, CHANNEL_CLOSE):
        length = payload[6]
        raise Refused(payload[7 : 7 + length].decode(errors="replace"))
    if method not in wanted:
        raise ValueError(f"it answers with method {method}, not {wanted}")
    return method, payload[4:]


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next frame's kind and payload."""
    kind, _, size = struct.unpack(">BHI", await reader.readexactly(7))
    if kind not in (METHOD, HEADER, BODY, HEARTBEAT) or size > MOST_BYTES:
        raise ValueError("it does not speak AMQP 0-9-1")
    payload = await reader.readexactly(size)
    await reader.readexactly(1)
    return kind, payload


def method_frame(method: Sequence[int], arguments: bytes, channel: int = 0) -> bytes:
    """A method as it goes over the wire."""
    return frame(METHOD, channel, struct.pack(">HH", *method) + arguments)


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Any frame as it goes over the wire."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([FRAME_END])


def _short(text: str) -> bytes:
    return bytes([len(text.encode())]) + text.encode()


def _long(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content

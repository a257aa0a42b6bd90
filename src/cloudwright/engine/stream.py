"""The engine sends a container's two output streams mixed in frames on one connection."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import socket
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any

HEADER = 8
"""Bytes before each frame: the stream's number, three zeros, the length."""

CHUNK = 65536


async def frames(chunks: AsyncIterable[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    """Yield each frame as (stream, content); a frame cut off by the end is yielded as it is."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        while len(pending) >= HEADER:
            length = int.from_bytes(pending[4:HEADER], "big")
            if len(pending) < HEADER + length:
                break
            stream, content = pending[0], bytes(pending[HEADER : HEADER + length])
            del pending[: HEADER + length]
            yield stream, content
    if len(pending) > HEADER:
        yield pending[0], bytes(pending[HEADER:])


async def lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """Yield the lines of both streams, each whole; lines of one stream keep their order."""
    pending: dict[int, bytes] = {}
    async for stream, content in frames(chunks):
        *whole, rest = (pending.get(stream, b"") + content).split(b"\n")
        pending[stream] = rest
        for line in whole:
            yield line.decode(errors="replace").removesuffix("\r")
    for rest in pending.values():
        if rest:
            yield rest.decode(errors="replace")


async def converse(path: Path, url: str, body: dict[str, Any], stdin: bytes) -> tuple[int, bytes]:
    """Send `stdin` on a connection of our own and return (HTTP status, all that came back).

    This is HTTP until the answer's head and then a raw stream both ways, of which each way ends
    on its own; no HTTP client offers that, and asyncio's streams drop what has come in when a
    command stops reading its input. Raises OSError.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, str(path))
        await loop.sock_sendall(connection, _upgrade_request(url, body))
        head, rest = await _head(connection)
        status = int(head.split(b" ", 2)[1])
        if status not in (101, 200):
            return status, await _error_body(connection, head, rest)
        sender = asyncio.create_task(_send(connection, stdin))
        try:
            return status, rest + await _receive(connection)
        finally:
            sender.cancel()
            await asyncio.wait([sender])


async def upload(path: Path, url: str, chunks: AsyncIterable[bytes]) -> tuple[int, bytes]:
    """Post `chunks` on a connection of our own and return (HTTP status, body of the answer).

    An engine that has no use for the rest answers before it has read all, and reads no more. HTTP
    clients send first and read then: over SSH, where what was sent waits for a reader, for ever.
    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, str(path))
        sender = asyncio.create_task(_send_chunks(connection, url, chunks))
        reader = asyncio.create_task(_receive(connection))
        try:
            await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
            if sender.done() and not reader.done():
                # What cannot be read here is the caller's to know; a broken pipe has an answer.
                with contextlib.suppress(ConnectionError):
                    await sender
            return _answer(await reader)
        finally:
            sender.cancel()
            reader.cancel()
            await asyncio.wait((sender, reader))


async def _send_chunks(connection: socket.socket, url: str, chunks: AsyncIterable[bytes]) -> None:
    """RFC 9112, 7.1: each chunk after its length in hexadecimal, and an empty one at the end."""
    loop = asyncio.get_running_loop()
    head = (
        f"POST {url} HTTP/1.1",
        "Host: engine",
        "Content-Type: application/x-tar",
        "Transfer-Encoding: chunked",
        "Connection: close",
    )
    await loop.sock_sendall(connection, "\r\n".join([*head, "", ""]).encode())
    async for chunk in chunks:
        if chunk:
            await loop.sock_sendall(connection, b"%x\r\n%b\r\n" % (len(chunk), chunk))
    await loop.sock_sendall(connection, b"0\r\n\r\n")


class _Received:
    """What came over a connection, as http.client wants it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _answer(content: bytes) -> tuple[int, bytes]:
    """The status and body of a whole answer; ConnectionError for none, or half of one."""
    answer = http.client.HTTPResponse(_Received(content))  # type: ignore[arg-type]
    try:
        answer.begin()
        return answer.status, answer.read()
    except (http.client.HTTPException, ValueError) as error:
        raise ConnectionError(f"the engine's answer broke off: {error}") from error


def _upgrade_request(url: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body)
    head = (
        f"POST {url} HTTP/1.1",
        "Host: engine",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Connection: Upgrade",
        "Upgrade: tcp",
    )
    return "\r\n".join([*head, "", content]).encode()


async def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read to the end of the head; return it and what came after it."""
    loop = asyncio.get_running_loop()
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = await loop.sock_recv(connection, CHUNK)
        if not chunk:
            raise ConnectionError("the engine ended the connection before it answered")
        received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


async def _receive(connection: socket.socket) -> bytes:
    """Read to the end; a connection that is reset after the last frame has ended, too."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while chunk := await asyncio.get_running_loop().sock_recv(connection, CHUNK):
            received += chunk
    return bytes(received)


async def _send(connection: socket.socket, stdin: bytes) -> None:
    # A command may end before it has read all of its input; its exit code tells, not this.
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(connection, stdin)
        connection.shutdown(socket.SHUT_WR)


async def _error_body(connection: socket.socket, head: bytes, body: bytes) -> bytes:
    """The rest of an error's body; an engine may keep the connection open after it."""
    headers = (line.partition(b":") for line in head.lower().split(b"\r\n")[1:])
    lengths = [int(value) for name, _, value in headers if name == b"content-length"]
    while lengths and len(body) < lengths[0]:
        chunk = await asyncio.get_running_loop().sock_recv(connection, CHUNK)
        if not chunk:
            break
        body += chunk
    return body

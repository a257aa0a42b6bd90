"""The APIs' lists are read with one token, over verified TLS, through a forwarded socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloudwright.errors import HostError
from cloudwright.execute.central.reader import Reader, login

from .tls import make_server

pytestmark = pytest.mark.filterwarnings("error")

ADDRESS = "192.0.2.7"
"""For documentation only: nothing has it, so no connection can go round the socket."""
URL = f"https://{ADDRESS}:5000"


@dataclass
class Apis:
    """Keystone and what else is asked: it counts the tokens, and takes the newest alone."""

    password: str = "right"
    header: str = "x-subject-token"
    tokens: int = 0
    answer: bytes = b'{"zones": [{"name": "a"}]}'
    asked: list[str] = field(default_factory=list)
    away: int = 0
    """So many answers come from the load balancer, which has no backend."""
    cut: int = 0
    """So many questions are cut off without an answer."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                words, *lines = head.lower().split("\r\n")
                fields = dict(line.split(": ", 1) for line in lines if line)
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                if self.cut:
                    self.cut -= 1
                    break
                status, extra, content = self._answer(words, fields, body)
                length = f"content-length: {len(content)}\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\n{extra}{length}\r\n".encode() + content)
                await writer.drain()
        writer.close()

    def _answer(self, words: str, fields: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        self.asked.append(words)
        if self.away:
            self.away -= 1
            return 503, "", b"no server is available"
        if words.startswith("post /v3/auth/tokens"):
            if json.loads(body) != login("admin", self.password, "admin"):
                return 401, "", b"no such user"
            self.tokens += 1
            return 201, f"{self.header}: t{self.tokens}\r\n", b"{}"
        if fields.get("x-auth-token") != f"t{self.tokens}":
            return 401, "", b"not this token"
        return 200, "", self.answer


@contextlib.asynccontextmanager
async def reading(apis: Apis, folder: Path, name: str = ADDRESS) -> AsyncIterator[Reader]:
    context, ca = make_server(folder, name)
    server = await asyncio.start_unix_server(apis.serve, folder / "s", ssl=context)
    tls = ssl.create_default_context(cafile=str(ca))
    try:
        async with Reader(URL, "right", tls, lambda _host, _port: folder / "s") as reader:
            yield reader
    finally:
        server.close()
        await server.wait_closed()


def run(
    apis: Apis, folder: Path, work: Callable[[Reader], Awaitable[Any]], name: str = ADDRESS
) -> Any:
    async def inside() -> Any:
        async with reading(apis, folder, name) as reader:
            return await work(reader)

    return asyncio.run(inside())


def test_many_lists_take_one_token(tmp_path: Path) -> None:
    async def three(reader: Reader) -> list[Any]:
        return await asyncio.gather(*(reader.listed(f"{URL}/{n}", "zones") for n in range(3)))

    apis = Apis()
    assert run(apis, tmp_path, three) == [[{"name": "a"}]] * 3
    assert apis.tokens == 1


def test_a_token_that_is_taken_no_more_is_renewed_once(tmp_path: Path) -> None:
    apis = Apis()

    async def work(reader: Reader) -> None:
        await reader.listed(f"{URL}/zones", "zones")
        apis.tokens += 1  # as when the keys are rotated twice meanwhile
        await reader.listed(f"{URL}/zones", "zones")
        await reader.listed(f"{URL}/zones", "zones")

    run(apis, tmp_path, work)
    assert [words.split()[0] for words in apis.asked] == [
        *("post", "get"),
        *("get", "post", "get"),
        "get",
    ]


def test_an_api_that_was_just_remade_is_waited_for(tmp_path: Path) -> None:
    apis = Apis(away=2)
    run(apis, tmp_path, lambda reader: reader.listed(f"{URL}/zones", "zones"))
    assert [words.split()[0] for words in apis.asked] == ["post", "post", "post", "get"]


def test_who_is_cut_off_asks_again(tmp_path: Path) -> None:
    """A backend that ends takes with it whoever had begun to ask."""
    apis = Apis(cut=2)
    run(apis, tmp_path, lambda reader: reader.listed(f"{URL}/zones", "zones"))
    assert (apis.cut, apis.tokens) == (0, 1)


@pytest.mark.parametrize(
    ("apis", "words"),
    [
        (Apis(password="another"), "refused with status 401"),
        (Apis(away=1000), "refused with status 503"),
        (Apis(cut=1000), "does not answer"),
        (Apis(header="x-other"), "is not understood"),
        (Apis(answer=b"<html>"), "is not understood"),
        (Apis(answer=b"[]"), "is not understood"),
    ],
)
def test_what_is_wrong_is_told(apis: Apis, words: str, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=words) as caught:
        run(apis, tmp_path, lambda reader: reader.listed(f"{URL}/zones", "zones"))
    assert caught.value.where.startswith(URL)
    assert "right" not in str(caught.value)


def test_another_server_gets_no_password(tmp_path: Path) -> None:
    apis = Apis()
    with pytest.raises(HostError, match="does not answer") as caught:
        run(apis, tmp_path, lambda r: r.listed(f"{URL}/zones", "zones"), name="192.0.2.8")
    assert "not valid for" in caught.value.why
    assert not apis.asked


def test_nobody_there_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        tls = ssl.create_default_context()
        async with Reader(URL, "right", tls, lambda _host, _port: tmp_path / "none") as reader:
            await reader.listed(f"{URL}/zones", "zones")

    with pytest.raises(HostError, match="does not answer"):
        asyncio.run(work())

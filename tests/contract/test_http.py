"""HTTP clients that are led through a socket still verify the server that was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import requests
from keystoneauth1 import session as keystone

from cloudwright.transport.adapter import ForwardedAdapter, sockets_through
from cloudwright.transport.http import forwarded_transport
from cloudwright.transport.local import LocalHost

from .tls import make_server

pytestmark = pytest.mark.filterwarnings("error")

ADDRESS = "192.0.2.7"
"""For documentation only: nothing has it, so no connection can go round the socket."""


class Detour(LocalHost):
    """Leads every connection to one port of this machine, and remembers what was asked for."""

    def __init__(self, port: int) -> None:
        super().__init__("detour")
        self.port = port
        self.asked: list[tuple[str, int]] = []

    async def tcp_socket(self, address: str, port: int) -> Path:
        """Lead to our own server."""
        self.asked.append((address, port))
        return await super().tcp_socket("127.0.0.1", self.port)


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[Detour]:
    """A server that answers every request with its Host header, and the way to it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            named = [line for line in head.split("\r\n") if line.lower().startswith("host:")]
            body = named[0].partition(":")[2].strip().encode()
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    host = Detour(server.sockets[0].getsockname()[1])
    try:
        yield host
    finally:
        await host.close()
        server.close()
        await server.wait_closed()


def ask(find: Callable[[str, int], Path], url: str, verify: str | bool) -> str:
    """Ask with a session that is led through sockets, as keystoneauth does."""
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, ForwardedAdapter(find))
        asking = keystone.Session(session=session, verify=verify)
        return str(asking.get(url, authenticated=False).text)


def led(context: ssl.SSLContext | None, url: str, verify: str | bool) -> str:
    """Start the server, ask it from a thread and return its answer."""

    async def run() -> str:
        async with serving(context) as host:
            find = sockets_through(host, asyncio.get_running_loop())
            answer = await asyncio.to_thread(ask, find, url, verify)
            assert {address for address, _ in host.asked} <= {ADDRESS, "192.0.2.8"}
            return answer

    return asyncio.run(run())


def test_plain_requests_are_led() -> None:
    assert led(None, f"http://{ADDRESS}:5000/v3", True) == f"{ADDRESS}:5000"


def test_tls_is_verified_against_the_address_that_was_asked_for(tmp_path: Path) -> None:
    context, ca = make_server(tmp_path, ADDRESS)
    assert led(context, f"https://{ADDRESS}/v3", str(ca)) == ADDRESS


def test_another_address_is_refused(tmp_path: Path) -> None:
    context, ca = make_server(tmp_path, ADDRESS)
    with pytest.raises(Exception, match=r"192\.0\.2\.8"):
        led(context, "https://192.0.2.8/v3", str(ca))


def test_an_unknown_ca_is_refused(tmp_path: Path) -> None:
    context, _ = make_server(tmp_path, ADDRESS)
    with pytest.raises(Exception, match="certificate verify failed"):
        led(context, f"https://{ADDRESS}/v3", True)


def test_a_server_that_is_not_there_is_told() -> None:
    def find(address: str, port: int) -> Path:
        return Path("/no/such/socket")

    with pytest.raises(Exception, match=f"no way to {ADDRESS}"):
        ask(find, f"http://{ADDRESS}:5000/v3", True)


@pytest.mark.parametrize("address", [ADDRESS, "192.0.2.8"])
def test_httpx_is_led_and_verifies(tmp_path: Path, address: str) -> None:
    context, ca = make_server(tmp_path, ADDRESS)
    trust = ssl.create_default_context(cafile=str(ca))

    async def run() -> None:
        async with serving(context) as host:
            transport = forwarded_transport(await host.tcp_socket(address, 5000), verify=trust)
            async with httpx.AsyncClient(transport=transport) as client:
                if address == ADDRESS:
                    answer = await client.get(f"https://{address}:5000/")
                    assert answer.text == f"{address}:5000"
                else:
                    with pytest.raises(httpx.ConnectError, match="not valid for"):
                        await client.get(f"https://{address}:5000/")

    asyncio.run(run())

"""The lists that the cloud's APIs give its admin: what every look at a cloud asks for.

Without keystoneauth and openstacksdk, which take longer to load than all these calls together.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from cloudwright.errors import HostError
from cloudwright.transport.http import forwarded_transport
from cloudwright.transport.lean_http import httpx

CALL_SECONDS = 60.0

BACK_SECONDS = 3.0
"""How long an API that did not let us through is asked again: a load balancer takes up to a second
to see that its one backend, which was just remade, answers."""

AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
"""What a load balancer answers for a backend that ends, or has not begun."""

CUT_OFF = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

PAUSE_SECONDS = 0.25
TOKEN = "X-Auth-Token"


def login(user: str, password: str, project: str) -> dict[str, Any]:
    """The body of Keystone's POST /v3/auth/tokens, for a user and a project of the default domain
    (https://docs.openstack.org/api-ref/identity/v3/, password authentication, scoped)."""
    domain = {"id": "default"}
    return {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": password}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }


class _CutOff(HostError):
    """A connection ended in the middle of a question."""


class Reader:
    """The admin at the APIs, through sockets that `route` gives for (host, port); `url` is
    Keystone's. A token is asked for once, and again when an API takes it no more."""

    def __init__(
        self, url: str, password: str, tls: ssl.SSLContext, route: Callable[[str, int], Path]
    ) -> None:
        self._url = url
        self._password = password
        self._tls = tls
        self._route = route
        self._clients: dict[Path, httpx.AsyncClient] = {}
        self._open = AsyncExitStack()
        self._token = ""
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def listed(
        self, url: str, key: str, headers: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The list `key` of the answer at `url`; HostError when the API refuses, does not answer
        or is not understood."""
        token = await self._token_other_than("")
        answer = await self._send("GET", url, headers={**(headers or {}), TOKEN: token})
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            token = await self._token_other_than(token)
            answer = await self._send("GET", url, headers={**(headers or {}), TOKEN: token})
        try:
            found: list[dict[str, Any]] = _well(answer, url).json()[key]
        except (KeyError, TypeError, ValueError) as err:
            raise HostError("an API is not understood", where=url, why=repr(err)) from err
        return found

    async def _token_other_than(self, old: str) -> str:
        async with self._lock:
            if self._token == old:
                url = f"{self._url}/v3/auth/tokens"
                body = login("admin", self._password, "admin")
                answer = _well(await self._send("POST", url, json=body), url)
                if not (token := answer.headers.get("X-Subject-Token")):
                    why = "the answer has no token"
                    raise HostError("an API is not understood", where=url, why=why)
                self._token = token
            return self._token

    async def _send(self, method: str, url: str, **parts: Any) -> httpx.Response:
        clock = asyncio.get_running_loop().time
        until = clock() + BACK_SECONDS
        while True:
            try:
                answer = await self._ask(method, url, **parts)
            except _CutOff:  # to list or to log in twice is no harm
                if clock() > until:
                    raise
            else:
                if answer.status_code not in AWAY or clock() > until:
                    return answer
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, method: str, url: str, **parts: Any) -> httpx.Response:
        client = await self._client(url)
        try:
            return await client.request(method, url, **parts)
        except httpx.HTTPError as err:
            why = str(err) or type(err).__name__
            kind = _CutOff if isinstance(err, CUT_OFF) else HostError
            raise kind("an API does not answer", where=url, why=why) from err

    async def _client(self, url: str) -> httpx.AsyncClient:
        """One for each socket, which keeps its connections."""
        parts = urlsplit(url)
        path = self._route(parts.hostname or "", parts.port or 0)
        if path not in self._clients:
            client = httpx.AsyncClient(
                transport=forwarded_transport(path, verify=self._tls),
                timeout=CALL_SECONDS,
                trust_env=False,
            )
            self._clients[path] = await self._open.enter_async_context(client)
        return self._clients[path]


def _well(answer: httpx.Response, url: str) -> httpx.Response:
    if answer.is_error:
        what = f"an API refused with status {answer.status_code}"
        raise HostError(what, where=url, why=answer.text[:500])
    return answer

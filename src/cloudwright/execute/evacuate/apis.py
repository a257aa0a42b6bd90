"""The APIs of Nova, Placement and Glance as an evacuation uses them: one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from cloudwright.errors import HostError
from cloudwright.execute.central.access import write_access
from cloudwright.execute.central.api import connect_api
from cloudwright.execute.session import Session

T = TypeVar("T")

NOVA = "2.96"
"""Nova's microversion for all that is read: the first that tells an instance's pinned zone."""

PLACEMENT = "1.28"
"""Placement's microversion for all that is read (of 2018: allocations as maps of providers)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Apis:
    """keystoneauth adapters that let the admin in; they raise what an API refuses. `thread` runs
    what blocks: a call, then what it is called with."""

    compute: Any
    placement: Any
    image: Any
    thread: Callable[..., Awaitable[Any]] = asyncio.to_thread

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """`work(self, *arguments)` in a thread; HostError when an API refuses, or is silent."""
        from keystoneauth1.exceptions import ClientException

        try:
            done: T = await self.thread(work, self, *arguments)
        except ClientException as err:
            raise HostError(
                "the cloud's APIs refused",
                why=str(err),
                hint="`cloudwright status` says whether the cloud is well",
            ) from err
        return done

    def nova(self, path: str, version: str = NOVA, **query: str) -> Any:
        """What Nova answers at `path`."""
        return _json(self.compute, path, query, version)

    def nova_pages(
        self, path: str, key: str, version: str = NOVA, **query: str
    ) -> list[dict[str, Any]]:
        """Every thing of the list `key` at `path`, over all pages (Nova gives 1000 at a time)."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.nova(path, version, **query)[key]
            if not page:
                return found
            found += page
            query = {**query, "marker": str(page[-1].get("uuid") or page[-1]["id"])}

    def tell_nova(self, path: str, body: object, version: str = NOVA) -> None:
        """Post `body` to `path`."""
        self.compute.post(path, json=body, microversion=version)

    def inventory(self, path: str) -> Any:
        """What Placement answers at `path`."""
        return _json(self.placement, path, {}, PLACEMENT)


def _json(api: Any, path: str, query: dict[str, str], version: str) -> Any:
    url = f"{path}?{urlencode(query)}" if query else path
    return api.get(url, microversion=version).json()


async def open_apis(session: Session) -> Apis:
    """Log in at the public API; HostError with Keystone's words when that fails."""
    from keystoneauth1.adapter import Adapter

    cloud = session.cloud
    await write_access(session.state, cloud, session.vault)  # another machine may have applied it
    api = await connect_api(session.fleet, cloud, session.vault, session.state)

    def adapter(kind: str) -> Adapter:
        return Adapter(
            api.sdk.session,
            service_type=kind,
            interface="public",
            region_name=cloud.region,
            connect_retries=2,
        )

    return Apis(compute=adapter("compute"), placement=adapter("placement"), image=adapter("image"))

"""How a test of the SSH transport runs: to its end, and leaving no task behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cloudwright.errors import Unreachable
from cloudwright.transport.ssh import SshAddress, SshHost, connect_ssh

from .sshd import Sshd


def go(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test to its end and see that it left no task behind."""

    async def run() -> None:
        await test()
        await asyncio.sleep(0)
        left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        assert left == []

    asyncio.run(run(), debug=False)
    gc.collect()


@contextlib.asynccontextmanager
async def connected(address: SshAddress) -> AsyncIterator[SshHost]:
    """A host that is let go at the end."""
    host = await connect_ssh("ctl-a1", address, timeout=5)
    try:
        yield host
    finally:
        await host.close()


def with_host(sshd: Sshd, test: Callable[[SshHost], Awaitable[None]]) -> None:
    """Run `test` with a connected host."""

    async def run() -> None:
        async with connected(sshd.address()) as host:
            await test(host)

    go(run)


def refused(address: SshAddress) -> Unreachable:
    """The error that connecting ends with."""
    errors: list[Unreachable] = []

    async def run() -> None:
        with pytest.raises(Unreachable) as caught:
            await connect_ssh("ctl-a1", address, timeout=2)
        errors.append(caught.value)

    go(run)
    print(errors[0])
    return errors[0]

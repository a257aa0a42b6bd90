"""What every lab verb needs: this machine, and the lab that a cloud.yaml asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudwright.lab.spec import LabSpec
    from cloudwright.transport.host import Host

AGAIN = (
    "the same command again goes on where this stopped; `cloudwright lab status` shows what is up"
)
Work = Callable[["Host", "LabSpec"], Awaitable[int | None]]


def in_lab(path: Path, work: Work) -> int | None:
    """Do `work` on this machine and the lab of the cloud at `path`."""
    from cloudwright.execute.interrupts import interruptible
    from cloudwright.lab.spec import spec_of
    from cloudwright.model.load import load
    from cloudwright.transport.local import LocalHost

    spec = spec_of(load(path), path)

    async def whole() -> int | None:
        machine = LocalHost()
        try:
            return await work(machine, spec)
        finally:
            await machine.close()

    return asyncio.run(interruptible(whole(), AGAIN))

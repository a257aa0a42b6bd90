"""An event loop in which waiting costs no time: when nothing can run, its clock jumps ahead."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for the next timer; remembers by how much it should have."""

    ahead: float = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(
            0 if timeout is not None else None
        )
        if timeout is not None and not ready:
            self.ahead += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time()` is that of the simulation, and starts near zero."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._jumping.ahead

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for threads that still work: their time is real, and Python 3.12 and later would
        see its limit gone by at once."""
        await super().shutdown_default_executor()


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end in virtual time; it must not touch sockets or threads."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)

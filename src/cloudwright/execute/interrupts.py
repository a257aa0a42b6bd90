"""Ctrl-C and SIGTERM while work goes on: each asks the work to stop, the second time at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def cancelling() -> Iterator[None]:
    """Cancel the current task, and nothing else, at each such signal while the block runs.

    asyncio's own handling raises KeyboardInterrupt out of the loop the second time; then nobody
    could say what was left half-done. Works in the main thread alone, as signals do.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

"""Ctrl-C and SIGTERM while work goes on: each asks the work to stop, the second time at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from cloudwright.errors import Interrupted

T = TypeVar("T")

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


async def interruptible(work: Awaitable[T], hint: str) -> T:
    """What `work` gives; such a signal cancels it, and Interrupted says `hint`, what to do next.

    Work that says itself what it left raises its own Interrupted.
    """
    with cancelling():
        try:
            return await work
        except asyncio.CancelledError:
            raise Interrupted("interrupted", hint=hint) from None


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """What `work(*arguments)` gives, done in a thread of its own; raises what it raises.

    Once we are cancelled nobody waits for that thread, and it ends with the program. asyncio's own
    threads hold up the program's end for as long as a call lasts, which may be minutes.
    """
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()  # so that a cancelled wait does not forbid the answer

    def run() -> None:
        try:
            answer.set_result(work(*arguments))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(answer)

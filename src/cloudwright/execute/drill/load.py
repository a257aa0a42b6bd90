"""The load of a drill: each client one request at a time, with one retry, all written down."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from cloudwright.operations.drill.records import Outcome, Request

TRY_SECONDS = 5.0
"""A try that takes longer has failed."""

CONNECT_SECONDS = 1.0
"""A connection that takes longer to open has failed."""

RETRY_SECONDS = 1.0
"""A client's pause before its one more try."""


class NoAnswerError(Exception):
    """A try failed; the text says how, in a few words. `status` is HTTP's, 0 without an answer."""

    def __init__(self, text: str, *, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Stream(Protocol):
    """One kind of request, made again and again."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def every(self) -> float:
        """Seconds from one request's begin to the next one's, unless it takes longer."""
        ...

    async def attempt(self, number: int, *, again: bool) -> None:
        """Make request `number` once and return when it is answered.

        `again`: this is the second try. Raises NoAnswerError when it failed.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds open."""
        ...


@dataclass(kw_only=True, slots=True)
class Load:
    """Every client's requests, in the order in which they ended; times since `start`.

    Streams of one name are clients of one kind: they take turns, and what one of them waits for
    in vain while another is answered is no time without an answer.
    """

    streams: tuple[Stream, ...]
    clock: Callable[[], float]
    requests: list[Request] = field(default_factory=list)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Keep all streams going until `stop`; the request that is under way then is ended."""
        kinds = Counter(stream.name for stream in self.streams)
        begun: Counter[str] = Counter()
        numbers = {name: count(1) for name in kinds}
        async with asyncio.TaskGroup() as group:
            for stream in self.streams:
                later = stream.every * begun[stream.name] / kinds[stream.name]
                begun[stream.name] += 1
                group.create_task(self._keep_going(stream, numbers[stream.name], later))

    def stop(self) -> None:
        """End each stream after its present request."""
        self._stopping.set()

    async def _keep_going(self, stream: Stream, numbers: Iterator[int], later: float) -> None:
        await self._pause(later)
        while not self._stopping.is_set():
            number, began = next(numbers), self.clock()
            outcome, why = await _request(stream, number)
            ended = self.clock()
            self.requests.append(
                Request(
                    stream=stream.name,
                    began=began,
                    seconds=ended - began,
                    outcome=outcome,
                    why=why,
                )
            )
            await self._pause(stream.every - (ended - began))
        await stream.close()

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stopping.wait()


async def _request(stream: Stream, number: int) -> tuple[Outcome, str]:
    try:
        await stream.attempt(number, again=False)
        return "ok", ""
    except NoAnswerError as err:
        first = str(err)
    await asyncio.sleep(RETRY_SECONDS)
    try:
        await stream.attempt(number, again=True)
        return "retried", first
    except NoAnswerError as err:
        return "failed", str(err)


def since_now() -> Callable[[], float]:
    """A clock that counts seconds from this moment."""
    start = time.monotonic()
    return lambda: time.monotonic() - start

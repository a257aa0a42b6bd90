"""The load that uploads machine images through the public API, and reads each again at the end."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from http import HTTPStatus

from cloudwright.execute.drill.apis import PREFIX, Caller, without
from cloudwright.execute.drill.creates import numbered
from cloudwright.execute.drill.load import NoAnswerError
from cloudwright.operations.drill.verdict import UPLOADS

CLIENTS = 2
EVERY_SECONDS = 6.0
IMAGE_BYTES = 4096

READ_SECONDS = 60.0
"""So long may the last ones take to be where they are read: a file is copied within seconds."""

POLL_SECONDS = 2.0
PAGE = 1000
"""Images in one answer of Glance's, at most."""


@dataclass(kw_only=True, slots=True)
class Uploads:
    """Images of a few KiB, which stay until the end, when each is read.

    A request is answered when Glance has taken the data, and then counts as acknowledged:
    `acknowledged` maps the number that `numbered` gives to the image's id. About one whose data
    had no answer nothing is known.
    """

    caller: Caller
    name: str = UPLOADS
    every: float = EVERY_SECONDS
    read_seconds: float = READ_SECONDS
    acknowledged: dict[int, str] = field(default_factory=dict)

    def clients(self) -> tuple[Uploads, ...]:
        """All that upload at a time."""
        return (self,) * CLIENTS

    async def attempt(self, number: int, *, again: bool) -> None:
        """Make an image and upload what it holds; every try has one of its own."""
        own = numbered(number, again=again)
        image = {
            "name": f"{PREFIX}-{own}",
            "disk_format": "raw",
            "container_format": "bare",
            "tags": [PREFIX],
        }
        id = str((await self.caller.call("POST", _images(self.caller), image)).json()["id"])
        await self.caller.call("PUT", _images(self.caller, f"/{id}/file"), data_of(own))
        self.acknowledged[own] = id

    async def close(self) -> None:
        """Nothing is open."""

    async def found(self) -> frozenset[int]:
        """The numbers of those whose data Glance gives as it was; each gets a time to come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.read_seconds
        there: set[int] = set()
        while missing := self.acknowledged.keys() - there:
            there |= {own for own in sorted(missing) if await self._is_whole(own)}
            if loop.time() > deadline:
                break
            if there < self.acknowledged.keys():
                await asyncio.sleep(POLL_SECONDS)
        return frozenset(there)

    async def _is_whole(self, own: int) -> bool:
        url = _images(self.caller, f"/{self.acknowledged[own]}/file")
        try:
            return (await self.caller.call("GET", url)).content == data_of(own)
        except NoAnswerError:
            return False


def data_of(own: int) -> bytes:
    """What the image of this number holds: no two hold the same."""
    return random.Random(own).randbytes(IMAGE_BYTES)


async def make_uploads(caller: Caller) -> Uploads:
    """One is uploaded, so that it is known that this can be done before anything is broken.

    Raises NoAnswerError when it cannot.
    """
    uploads = Uploads(caller=caller)
    await uploads.attempt(0, again=False)
    return uploads


async def remove_uploads(caller: Caller) -> None:
    """Remove every drill's, those of one that was killed too. Again changes nothing, nor where
    there is no such service."""
    if UPLOADS in without(caller):
        return
    ours = _images(caller, f"?tag={PREFIX}&limit={PAGE}")
    for image in (await caller.call("GET", ours, seconds=60)).json()["images"]:
        try:
            await caller.call("DELETE", _images(caller, f"/{image['id']}"), seconds=60)
        except NoAnswerError as err:
            if err.status != HTTPStatus.NOT_FOUND:
                raise


def _images(caller: Caller, path: str = "") -> str:
    return f"{caller.endpoints['image']}/v2/images{path}"

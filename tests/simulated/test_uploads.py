"""A drill's machine images: each that was acknowledged is read again, and all of them go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cloudwright.execute.drill.apis import Caller
from cloudwright.execute.drill.creates import numbered
from cloudwright.execute.drill.ledgers import uploaded
from cloudwright.execute.drill.load import NoAnswerError
from cloudwright.execute.drill.uploads import Uploads, data_of, make_uploads, remove_uploads
from tests.simulated.apis import Cloud, served

FIRST = numbered(0, again=False)
"""The one before the drill."""


def on(cloud: Cloud, work: Callable[[Caller], Awaitable[None]]) -> None:
    async def run() -> None:
        with served(cloud) as caller:
            await work(caller)

    asyncio.run(run())


async def made(caller: Caller) -> Uploads:
    """With one image, number 3, beside the first; nothing is waited for at the end."""
    uploads = await make_uploads(caller)
    uploads.read_seconds = 0.0
    await uploads.attempt(3, again=False)
    return uploads


def test_what_was_acknowledged_is_read_again() -> None:
    async def work(caller: Caller) -> None:
        uploads = await made(caller)
        ledger = await uploaded(uploads)
        assert ledger.acknowledged == {FIRST, numbered(3, again=False)}
        assert ledger.holds

    on(Cloud(), work)


@pytest.mark.parametrize("data", [b"", data_of(4), data_of(numbered(3, again=False))[:-1]])
def test_an_image_without_its_data_is_lost(data: bytes) -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        uploads = await made(caller)
        own = numbered(3, again=False)
        cloud.uploaded[uploads.acknowledged[own]] = data
        assert (await uploaded(uploads)).lost == {"Glance": (own,)}

    on(cloud, work)


def test_an_image_that_nobody_knows_any_more_is_lost() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        uploads = await made(caller)
        own = numbered(3, again=False)
        del cloud.things["images"][uploads.acknowledged[own]]
        assert (await uploaded(uploads)).lost == {"Glance": (own,)}

    on(cloud, work)


@pytest.mark.parametrize("refused", ["POST", "PUT"])
def test_what_was_not_taken_is_not_acknowledged(refused: str) -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        uploads = await made(caller)
        cloud.refuses = {refused}
        with pytest.raises(NoAnswerError):
            await uploads.attempt(5, again=False)
        cloud.refuses = set()
        await uploads.attempt(5, again=True)
        tries = {numbered(5, again=again) for again in (False, True)}
        assert tries & set(uploads.acknowledged) == {numbered(5, again=True)}
        assert (await uploaded(uploads)).holds

    on(cloud, work)


def test_all_of_them_go_and_nothing_else() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        cloud.things["images"] = {"theirs": {"id": "theirs", "name": "someone's", "tags": []}}
        await made(caller)
        for _ in "twice":
            await remove_uploads(caller)
            assert cloud.names("images") == {"someone's"}

    on(cloud, work)


def test_clients_have_images_of_their_own() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        uploads = await make_uploads(caller)
        clients = uploads.clients()
        await asyncio.gather(*(c.attempt(n, again=False) for n, c in enumerate(clients, 1)))
        assert len(uploads.acknowledged) == len(clients) + 1
        assert len(set(cloud.uploaded.values())) == len(clients) + 1

    on(cloud, work)

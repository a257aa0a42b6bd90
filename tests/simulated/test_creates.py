"""A drill's servers: what was acknowledged is accounted for, and all of it goes again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cloudwright.execute.drill.apis import Caller, make_network, remove_networks, without
from cloudwright.execute.drill.creates import (
    CLIENTS,
    Creates,
    make_creates,
    numbered,
    remove_creates,
)
from cloudwright.execute.drill.ledgers import ledger_of
from cloudwright.execute.drill.load import NoAnswerError
from tests.simulated.apis import Cloud, served

FIRST = {numbered(0, again=False), numbered(-1, again=False)}
"""Those that were made in each zone before the drill."""

KINDS = ("servers", "flavors", "images", "networks")


def on(cloud: Cloud, work: Callable[[Caller], Awaitable[None]]) -> None:
    async def run() -> None:
        with served(cloud) as caller:
            await work(caller)

    asyncio.run(run())


async def fails(creates: Creates, number: int, *, again: bool = False) -> str:
    with pytest.raises(NoAnswerError) as error:
        await creates.attempt(number, again=again)
    await creates.close()
    return str(error.value)


def test_a_server_is_deleted_once_it_is_active() -> None:
    cloud = Cloud(lingers=2)

    async def work(caller: Caller) -> None:
        creates = await make_creates(caller)
        await creates.attempt(1, again=False)
        await creates.close()
        assert creates.acknowledged == creates.removed == FIRST | {numbered(1, again=False)}
        assert (await ledger_of(creates)).holds  # though a deleted one is still listed for a while
        assert not cloud.names("servers")

    on(cloud, work)


def test_all_that_was_made_goes_and_nothing_else() -> None:
    cloud = Cloud()
    theirs = {"id": "theirs", "name": "someone's", "status": "ACTIVE"}

    async def work(caller: Caller) -> None:
        for kind in KINDS:
            cloud.things[kind] = {"theirs": dict(theirs)}
        await make_network(caller)  # the one that the drill makes for its ports
        creates = await make_creates(caller)
        cloud.outcome, creates.patience = "", 0.0
        killed = creates.clients()[1]
        cloud.refuses = {"DELETE"}
        await fails(killed, 7)
        assert f"cloudwright-drill-{numbered(7, again=False)}" in cloud.names("servers")
        cloud.refuses = set()
        for _ in "twice":
            await remove_creates(caller)
            await remove_networks(caller)
            for kind in KINDS:
                assert cloud.names(kind) == {"someone's"}

    on(cloud, work)


def test_a_server_that_does_not_become_active_is_no_answer_and_goes_too() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        creates = await make_creates(caller)
        creates.patience = 1.0
        cloud.outcome = ""
        assert (await fails(creates, 1)).endswith(" s (spawning, on two)")
        creates.patience, cloud.outcome = 60.0, "ERROR"
        assert await fails(creates, 1, again=True) == (
            "ERROR: No valid host was found. (nothing under way, no host yet)"
        )
        tries = {numbered(1, again=again) for again in (False, True)}
        assert len(tries) == 2
        assert creates.removed == FIRST | tries
        assert (await ledger_of(creates)).holds

    on(cloud, work)


def test_a_server_that_was_acknowledged_and_is_nowhere_is_lost() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        creates = await make_creates(caller)
        creates.patience = 1.0
        cloud.forgets = True
        await fails(creates, 3)
        assert (await ledger_of(creates)).lost == {"Nova": (numbered(3, again=False),)}

    on(cloud, work)


def test_about_a_delete_without_an_answer_nothing_is_known() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        creates = await make_creates(caller)
        cloud.refuses = {"DELETE"}
        await creates.attempt(3, again=False)
        await creates.close()
        assert creates.unsure == {numbered(3, again=False)}
        assert (await ledger_of(creates)).holds

    on(cloud, work)


def test_a_request_that_was_refused_is_not_acknowledged() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        creates = await make_creates(caller)
        cloud.refuses, creates.look_every = {"POST"}, 0.0
        assert await fails(creates, 3) == "answers 503"
        assert creates.acknowledged == FIRST

    on(cloud, work)


def test_a_server_without_an_answer_is_looked_for_and_goes() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        creates = await make_creates(caller)
        cloud.silent, creates.look_every = True, 0.0
        assert await fails(creates, 3) == "answers 504"
        assert creates.acknowledged == FIRST
        assert await creates.found() == set()
        assert f"cloudwright-drill-{numbered(3, again=False)}" in cloud.asked

    on(cloud, work)


def test_a_cloud_on_which_no_server_starts_is_not_drilled() -> None:
    cloud = Cloud(outcome="ERROR")

    async def work(caller: Caller) -> None:
        with pytest.raises(NoAnswerError, match="No valid host"):
            await make_creates(caller)

    on(cloud, work)


def test_clients_share_what_is_known() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        creates = await make_creates(caller)
        clients = creates.clients()
        assert len(clients) == CLIENTS
        await asyncio.gather(*(c.attempt(n, again=False) for n, c in enumerate(clients, 1)))
        await asyncio.gather(*(client.close() for client in clients))
        assert len(creates.removed) == CLIENTS + len(FIRST)
        assert len(set(cloud.asked)) == len(cloud.asked) == CLIENTS + len(FIRST)
        assert cloud.zones == ["a", "b", *[""] * CLIENTS]  # the scheduler chooses

    on(cloud, work)


def test_a_cloud_without_images_has_no_such_stream() -> None:
    cloud = Cloud()

    async def work(caller: Caller) -> None:
        assert without(caller) == {}
        del caller.endpoints["image"]
        assert set(without(caller)) == {"glance images", "glance upload", "nova create"}
        await remove_creates(caller)
        assert not cloud.things

    on(cloud, work)

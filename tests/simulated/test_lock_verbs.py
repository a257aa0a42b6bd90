"""Verbs that break a cloud or are for a broken one, and what they leave on its hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cloudwright.cli import drill_run
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import Locked, Missing
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.journal.record import from_line
from cloudwright.execute.lock.changing import changing
from cloudwright.execute.lock.ledger import Ledger, Page
from cloudwright.execute.secrets.vault import Vault
from cloudwright.execute.session import Session
from cloudwright.images.schemas import Schemas
from cloudwright.model.load import load
from cloudwright.model.overrides import Overrides
from cloudwright.operations.drill.injury import cold_start
from cloudwright.transport.fake import FakeHost
from tests.simulated.ledgers import NAMES, holders, ledger_in, record, shell_in, silent

CLOUD = load(Path(__file__).parents[2] / "examples" / "two-sites.yaml")
OPTIONS = {"hold": 30.0, "wait": 300.0, "creates": False}


def lose(ledger: Ledger, *names: str) -> None:
    """Cut the power of hosts: nobody gets an answer over the old connections any more."""
    for name in names:
        ledger.hosts[name].lost = True  # type: ignore[attr-defined]


@pytest.mark.parametrize("away", [(), ("three",), NAMES])
def test_a_lock_is_let_go_by_new_connections_where_all_hosts_lost_their_power(
    tmp_path: Path, away: tuple[str, ...]
) -> None:
    said: list[str] = []

    @asynccontextmanager
    async def again() -> AsyncIterator[Ledger]:
        ledger = ledger_in(tmp_path)
        lose(ledger, *away)
        yield ledger

    async def story() -> None:
        old, one = ledger_in(tmp_path), record("a", verb="drill", reason="cold-start")
        async with changing(old, one, tmp_path / "runs", said.append, ending=again):
            lose(old, *NAMES)
            with pytest.raises(Locked, match="another run"):
                async with changing(ledger_in(tmp_path), record("b"), tmp_path / "other", silent):
                    raise AssertionError("the cloud is being broken")
        kept = [one.run if name in away else "" for name in NAMES]
        assert holders(await ledger_in(tmp_path).peek()) == kept
        for name in set(NAMES) - set(away):
            left = from_line((tmp_path / name / "runs" / f"{one.run}.json").read_text())
            assert left is not None
            assert (left.what, left.result) == ("drill (cold-start)", "done")

    run_virtual(story())
    assert said == [
        f"the lock may still be on {name}: the connection to {name} was lost" for name in away
    ]


def test_a_drill_whose_host_does_not_come_back_fails_for_that_alone(tmp_path: Path) -> None:
    @asynccontextmanager
    async def again() -> AsyncIterator[Ledger]:
        yield Ledger(hosts={}, absent=dict.fromkeys(NAMES, "no answer"))

    async def story() -> None:
        ledger, said = ledger_in(tmp_path), list[str]()
        with pytest.raises(Missing, match="did not come back"):
            async with changing(ledger, record("a"), tmp_path / "runs", said.append, ending=again):
                raise Missing("one did not come back")
        assert said == [f"the lock may still be on {name}: no answer" for name in NAMES]

    run_virtual(story())


def test_the_lock_is_on_the_disks_before_the_power_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told to the kernel is seen through a `sync` of ours, which notes and does it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sync").write_text(
        f'#!/bin/sh\necho "$PWD $*" >>{tmp_path}/synced\nPATH=${{PATH#*:}} exec sync "$@"\n'
    )
    (programs / "sync").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    synced = tmp_path / "synced"

    @asynccontextmanager
    async def again() -> AsyncIterator[Ledger]:
        yield ledger_in(tmp_path)

    async def story() -> None:
        async with changing(ledger_in(tmp_path), record("a"), tmp_path / "runs", silent):
            assert not synced.exists()
        ledger = ledger_in(tmp_path)
        async with changing(ledger, record("b"), tmp_path / "runs", silent, ending=again):
            told = synced.read_text().splitlines()
            assert sorted(told) == sorted(f"{tmp_path}/{name} lock ." for name in NAMES)
            assert all(isinstance(p, Page) for p in (await ledger.to_disk()).values())

    run_virtual(story())


def session_in(folder: Path) -> Session:
    """The example's cloud over two sites, of whose hosts only the ledgers are there."""
    hosts = {
        host.name: FakeHost(host.name, answer=shell_in(folder / host.name)) for host in CLOUD.hosts
    }
    return Session(
        path=folder / "cloud.yaml",
        cloud=CLOUD,
        services=(),
        overrides=Overrides(),
        vault=Vault(folder),
        fleet=Fleet(
            members={n: Member(host=host, engine=FakeEngine(n)) for n, host in hosts.items()}
        ),
        schemas=Schemas(release=CLOUD.release),
        images={},
    )


def told(session: Session) -> list[str]:
    """What the hosts were told but what belongs to the lock."""
    return [
        command
        for member in session.fleet.members.values()
        if isinstance(member.host, FakeHost)
        for command in member.host.commands
        if "/ledger" not in command
    ]


def test_a_drill_of_a_cloud_that_another_run_holds_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cloud.yaml").write_text("name: two-sites\n")
    session = session_in(tmp_path)

    @asynccontextmanager
    async def opened(path: Path, services: object) -> AsyncIterator[Session]:
        yield session

    monkeypatch.setattr(drill_run, "open_session", opened)

    async def story() -> None:
        async with changing(session_in(tmp_path).ledger, record("a"), tmp_path / "runs", silent):
            with pytest.raises(Locked) as caught:
                await drill_run.run_drill(session.path, cold_start(CLOUD), OPTIONS, lab=False)
            assert caught.value.exit_code == 5

    asyncio.run(story())
    assert told(session) == []

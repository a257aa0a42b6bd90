"""Verbs that break a cloud or are for a broken one, and what they leave on its hosts."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cloudwright.cli import drill_run
from cloudwright.cli.failover import _failover
from cloudwright.cli.recover import _recover
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import Locked, Missing, Unreachable, UnsafePlan
from cloudwright.execute import session as sessions
from cloudwright.execute.history import merge
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.journal.record import Record, from_line, read_records
from cloudwright.execute.lock.breaking import break_lock, forgot_by, is_free, is_held
from cloudwright.execute.lock.changing import NOTE_SECONDS, changing, noted, tell_holders
from cloudwright.execute.lock.ledger import KEPT_RUNS, Ledger, Page
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


LOST = ("site:a", "site:w")


def without(name: str, **changed: object) -> Record:
    """The record of a failover."""
    return record(name, verb="failover", reason="without site:a, site:w", **changed)


def kept_on(folder: Path, name: str, run: str) -> Record | None:
    """What a host keeps of a run."""
    file = folder / name / "runs" / f"{run}.json"
    return from_line(file.read_text()) if file.exists() else None


async def remember(folder: Path) -> None:
    """A first run of the cloud, which all hosts remember from now on."""
    async with changing(ledger_in(folder), record("0"), folder / "runs", silent):
        pass


def test_a_failover_leaves_its_record_on_every_host_that_answers(tmp_path: Path) -> None:
    runs, one = tmp_path / "runs", without("a")

    async def story() -> None:
        await remember(tmp_path)
        ledger = ledger_in(tmp_path)
        seen = await ledger.peek()
        lose(ledger, "one", "three")
        with pytest.raises(Unreachable):
            async with changing(ledger, one, runs, silent):
                raise AssertionError("a majority is lost")
        async with noted(ledger, one, runs, silent):
            begun = kept_on(tmp_path, "two", one.run)
            assert begun is not None
            assert (begun.what, begun.result) == ("failover (without site:a, site:w)", "")
            assert begun in read_records(runs)
            assert merge({"two": [begun]}, held="")[0].result == "running or killed"
        ended = kept_on(tmp_path, "two", one.run)
        assert ended is not None and ended.result == "done" and ended.ended >= ended.began
        assert ended in read_records(runs)
        assert kept_on(tmp_path, "one", one.run) is kept_on(tmp_path, "three", one.run) is None
        # What was planned before is not what is there any more.
        with pytest.raises(UnsafePlan, match="another run changed this cloud"):
            async with changing(ledger_in(tmp_path), record("b"), runs, silent, seen):
                raise AssertionError("what was seen is old")

    run_virtual(story())


def test_a_failover_that_fails_says_so_in_its_record(tmp_path: Path) -> None:
    one = without("a")

    async def story() -> None:
        with pytest.raises(UnsafePlan):
            async with noted(ledger_in(tmp_path), one, tmp_path / "runs", silent):
                raise UnsafePlan("mariadb on ctl-b is not whole after 180 s")
        for name in NAMES:
            left = kept_on(tmp_path, name, one.run)
            assert left is not None
            assert (left.result, left.error) == (
                "failed",
                "mariadb on ctl-b is not whole after 180 s",
            )

    run_virtual(story())


def test_nothing_keeps_a_failover_from_its_work(tmp_path: Path) -> None:
    """No space here, none on a host, one that hangs, one that is lost: it begins within seconds,
    and what it says is what concerns this machine."""
    said: list[str] = []
    (tmp_path / "runs").write_text("where a folder must be")
    (tmp_path / "one").write_text("where a folder must be")

    async def story() -> None:
        clock = asyncio.get_running_loop().time
        ledger = ledger_in(tmp_path)
        ledger.hosts["two"].delays = itertools.repeat(1000.0)  # type: ignore[attr-defined]
        lose(ledger, "three")
        began = clock()
        async with noted(ledger, without("a"), tmp_path / "runs", said.append):
            assert clock() - began <= 2 * NOTE_SECONDS

    run_virtual(story())
    assert [line.partition(":")[0] for line in said] == [
        "the record of this run is on the hosts alone"
    ]


def test_a_failover_makes_no_host_remember_that_forgot_whose_the_lock_is(tmp_path: Path) -> None:
    async def story() -> None:
        await remember(tmp_path)
        shutil.rmtree(tmp_path / "one")
        ledger = ledger_in(tmp_path)
        async with noted(ledger, without("a"), tmp_path / "runs", silent):
            pass
        assert kept_on(tmp_path, "one", without("a").run) is not None
        assert forgot_by(await ledger.peek()) == {"one"}

    run_virtual(story())


def test_hosts_keep_so_many_failovers_and_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "runs"
    folder.mkdir(parents=True)
    for n in range(KEPT_RUNS + 5):
        (folder / f"2025-01-01T00-00-00-{n:04x}.json").write_text("")

    async def story() -> None:
        async with noted(ledger_in(tmp_path), without("a"), tmp_path / "runs", silent):
            assert len(list(folder.iterdir())) == KEPT_RUNS + 6

    run_virtual(story())
    assert len(list(folder.iterdir())) == KEPT_RUNS
    assert (folder / f"{without('a').run}.json").exists()


def test_a_failover_is_refused_where_a_majority_says_who_has_the_cloud(tmp_path: Path) -> None:
    """And nowhere else: what a minority says is told; where it is refused `lock break` helps."""
    runs = tmp_path / "runs"

    async def story() -> None:
        theirs, ours = ledger_in(tmp_path), ledger_in(tmp_path)
        async with changing(theirs, record("b"), runs, lambda line: None):
            lose(ours, "one")
            with pytest.raises(Locked) as caught:
                await tell_holders(ours, silent)
            assert "lock break" in caught.value.hint
            with pytest.raises(Locked):
                async with noted(ours, without("a"), runs, silent):
                    raise AssertionError("another run has the cloud")
            assert kept_on(tmp_path, "two", without("a").run) is None
            lose(ours, "three")
            said: list[str] = []
            await tell_holders(ours, said.append)
            (line,) = said
            assert line.startswith("the lock on two is of a run that may still work: ")
            assert f"process {os.getpid()}" in line
            async with noted(ours, without("a"), runs, silent):
                pass
            both = ledger_in(tmp_path)
            lose(both, "one")
            seen = await both.peek()
            await break_lock(both, seen, record("c", verb="lock break"), runs, silent)
            await tell_holders(both, silent)
            async with noted(both, without("d"), runs, silent):
                assert kept_on(tmp_path, "two", without("d").run) is not None

    run_virtual(story())


def test_a_lock_is_broken_on_a_minority_too(tmp_path: Path) -> None:
    """As far as hosts answer: nobody has the cloud by that, and nothing of the dead is told."""
    runs = tmp_path / "runs"

    async def story() -> None:
        theirs, ours = ledger_in(tmp_path), ledger_in(tmp_path)
        async with changing(theirs, record("b"), runs, lambda line: None):
            lose(ours, "one", "three")
            pages = await break_lock(ours, await ours.peek(), record("c"), runs, silent)
            assert not is_held(pages) and not is_free(pages)
            await tell_holders(ours, silent)

    run_virtual(story())


@pytest.mark.parametrize("verb", [_failover, _recover])
def test_a_word_on_the_dead_is_refused_before_anybody_is_asked_for_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: Callable[[Path, tuple[str, ...], str | None, float], Awaitable[int]],
) -> None:
    (tmp_path / "cloud.yaml").write_text("name: two-sites\n")
    session = session_in(tmp_path)

    @asynccontextmanager
    async def opened(path: Path, services: object, *, whole: bool) -> AsyncIterator[Session]:
        yield session

    monkeypatch.setattr(sessions, "open_session", opened)

    async def story() -> None:
        async with changing(session_in(tmp_path).ledger, record("a"), tmp_path / "runs", silent):
            with pytest.raises(Locked):
                await verb(session.path, LOST, None, 1.0)

    asyncio.run(story())
    assert told(session) == []

"""Hosts that keep the lock and lose what they kept: nobody gets in by it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from cloudwright.engine.clock import run_virtual
from cloudwright.errors import Locked, Unreachable
from cloudwright.execute.lock.breaking import break_lock, forgot_by, lines_of
from cloudwright.execute.lock.changing import changing
from cloudwright.execute.lock.decide import FORGOT
from cloudwright.execute.lock.ledger import Ledger
from tests.simulated.ledgers import NAMES, ScratchHost, holders, ledger_in, record, silent


async def run_once(ledger: Ledger, name: str, folder: Path) -> None:
    """A whole run, of which nothing is to be told."""
    async with changing(ledger, record(name), folder / "runs", silent):
        pass


def lose(ledger: Ledger, name: str, lost: bool = True) -> None:
    """Cut one operator's line to a host."""
    host = ledger.hosts[name]
    assert isinstance(host, ScratchHost)
    host.lost = lost


def test_an_emptied_disk_in_a_bare_majority_lets_nobody_in(tmp_path: Path) -> None:
    """The first has two of three; one of them is emptied; the second reaches all three."""

    async def story() -> None:
        theirs, ours = ledger_in(tmp_path), ledger_in(tmp_path)
        await run_once(ours, "a", tmp_path)
        lose(theirs, "three")
        said: list[str] = []
        async with changing(theirs, record("b"), tmp_path / "runs", said.append):
            shutil.rmtree(tmp_path / "one")
            with pytest.raises(Locked, match="another run"):
                await run_once(ours, "c", tmp_path)
            assert holders(await ours.peek()) == ["", record("b").run, ""]
        assert [line.partition(":")[0] for line in said] == [
            "the lock on one was not ours any more",
            "the lock may still be on three",
        ]
        await run_once(ours, "d", tmp_path)

    run_virtual(story())


def test_who_forgot_counts_again_once_a_run_has_ended(tmp_path: Path) -> None:
    async def story() -> None:
        ledger = ledger_in(tmp_path)
        await run_once(ledger, "a", tmp_path)
        shutil.rmtree(tmp_path / "one")
        assert forgot_by(await ledger.peek()) == {"one"}
        await run_once(ledger, "b", tmp_path)
        assert forgot_by(await ledger.peek()) == frozenset()
        lose(ledger, "two")
        said: list[str] = []
        async with changing(ledger, record("c"), tmp_path / "runs", said.append):
            pass
        assert len(said) == 1 and "on two" in said[0]

    run_virtual(story())


def test_too_few_that_remember_are_told_and_breaking_helps(tmp_path: Path) -> None:
    async def story() -> None:
        ledger = ledger_in(tmp_path)
        await run_once(ledger, "a", tmp_path)
        shutil.rmtree(tmp_path / "one")
        lose(ledger, "two")
        with pytest.raises(Unreachable, match="too few of the 3 hosts") as caught:
            await run_once(ledger, "b", tmp_path)
        assert f"one: {FORGOT}" in caught.value.why
        assert "`cloudwright lock break`" in caught.value.hint
        seen = await ledger.peek()
        assert lines_of(seen)[0] == f"one: free ({FORGOT})"
        await break_lock(ledger, seen, record("c", verb="lock break"), tmp_path / "runs", silent)
        said: list[str] = []
        async with changing(ledger, record("d"), tmp_path / "runs", said.append):
            pass
        assert len(said) == 1 and "on two" in said[0]

    run_virtual(story())


def test_the_first_run_of_a_cloud_is_alone_too(tmp_path: Path) -> None:
    """No host remembers anything yet, and one of them is emptied in the middle of it."""

    async def story() -> None:
        first, second = ledger_in(tmp_path), ledger_in(tmp_path)
        said: list[str] = []
        async with changing(first, record("a"), tmp_path / "runs", said.append):
            for name in NAMES:
                await asyncio.to_thread(shutil.rmtree, tmp_path / name)
                with pytest.raises(Locked):
                    await run_once(second, "b", tmp_path)
                break
        assert said == ["the lock on one was not ours any more: somebody broke it meanwhile"]
        await run_once(second, "c", tmp_path)

    run_virtual(story())

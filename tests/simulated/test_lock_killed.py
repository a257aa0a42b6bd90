"""A run that was killed with the lock: its own operator takes over, and tells what it did."""

from __future__ import annotations

import dataclasses
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudwright.engine.clock import run_virtual
from cloudwright.errors import Locked
from cloudwright.execute.history import History
from cloudwright.execute.journal.holder import this_process
from cloudwright.execute.journal.journal import JOURNAL, parse_journal
from cloudwright.execute.journal.timeline import timeline
from cloudwright.execute.lock import changing as module
from cloudwright.execute.lock.breaking import break_lock, is_free
from cloudwright.execute.lock.changing import changing
from cloudwright.execute.lock.ledger import Ledger
from tests.simulated.ledgers import NAMES, ledger_in, record, silent, start_holder


def test_who_was_killed_is_taken_over_by_the_same_operator_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start_holder(tmp_path)

    async def story(say: Callable[[str], None]) -> None:
        async with changing(ledger_in(tmp_path), record("next"), tmp_path / "runs", say):
            pass

    with pytest.raises(Locked) as caught:
        run_virtual(story(silent))
    assert f"process {process.pid}" in caught.value.why
    assert "lock break" in caught.value.hint
    assert caught.value.exit_code == 5

    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    def somebody_else(*, run: str, cloud: str, why: str) -> object:
        return dataclasses.replace(this_process(run=run, cloud=cloud, why=why), user="bob")

    with monkeypatch.context() as other:
        other.setattr(module, "this_process", somebody_else)
        with pytest.raises(Locked):
            run_virtual(story(silent))

    said: list[str] = []
    run_virtual(story(said.append))
    assert len(said) == 1
    assert said[0].startswith("takes over from a run that has ended without letting go: ")
    assert f"process {process.pid}" in said[0]


EVENT = b'{"event": "RunStarted", "planned": [], "directory": "", "at": 1.0, "gates": {}}\n'
DEAD = record("dead").run


def kill_one_that_told(folder: Path, told: bytes = EVENT) -> None:
    """A run of ours that is killed; its journal lies here alone."""
    process = start_holder(folder)
    (folder / "runs" / DEAD / JOURNAL).write_bytes(told)
    process.kill()
    process.communicate()


async def take_over(ledger: Ledger, folder: Path) -> list[str]:
    """A whole run that takes over from the dead one; what it said."""
    said: list[str] = []
    async with changing(ledger, record("a"), folder / "runs", said.append):
        pass
    assert said.pop(0).startswith("takes over from a run that has ended")
    return said


def test_the_journal_of_who_was_killed_comes_to_the_hosts(tmp_path: Path) -> None:
    kill_one_that_told(tmp_path, EVENT + b'{"event": "cut in the mid')
    kept = {name: tmp_path / name / "runs" / f"{DEAD}.jsonl.gz" for name in NAMES}
    kept["two"].write_bytes(b"what is there already")
    (tmp_path / "three" / "runs" / f"{DEAD}.json").unlink()

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        elsewhere = History(runs=(), unknown={}, state=tmp_path / "never", ledger=ledger)
        assert (
            await dataclasses.replace(
                elsewhere, ledger=Ledger(hosts={"one": ledger.hosts["one"]})
            ).story(DEAD)
            is None
        )
        assert await take_over(ledger, tmp_path) == []
        assert kept["two"].read_bytes() == b"what is there already"
        assert not kept["three"].exists()
        assert stat.S_IMODE(kept["one"].stat().st_mode) == 0o600
        told = await elsewhere.story(DEAD)
        assert told == timeline(parse_journal(EVENT))

    run_virtual(story())


def test_the_journal_of_who_was_killed_comes_with_the_breaking_of_its_lock_too(
    tmp_path: Path,
) -> None:
    kill_one_that_told(tmp_path)

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        runs = tmp_path / "runs"
        pages = await break_lock(ledger, await ledger.peek(), record("b"), runs, silent)
        assert is_free(pages)
        told = await History(runs=(), unknown={}, state=tmp_path / "never", ledger=ledger).story(
            DEAD
        )
        assert told == timeline(parse_journal(EVENT))

    run_virtual(story())


@pytest.mark.parametrize("there", [False, True])
def test_without_the_journal_of_who_was_killed_the_next_goes_on(
    tmp_path: Path, there: bool
) -> None:
    kill_one_that_told(tmp_path)
    journal = tmp_path / "runs" / DEAD / JOURNAL
    journal.unlink()
    if there:
        journal.mkdir()

    async def story() -> None:
        said = await take_over(ledger_in(tmp_path), tmp_path)
        assert (
            said
            == [f"the journal of {DEAD} does not come to the hosts: {journal}: Is a directory"]
            * there
        )

    run_virtual(story())
    assert not (tmp_path / "one" / "runs" / f"{DEAD}.jsonl.gz").exists()


def test_a_host_that_cannot_keep_the_journal_of_who_was_killed_is_no_obstacle(
    tmp_path: Path,
) -> None:
    kill_one_that_told(tmp_path)
    (tmp_path / "one" / "runs" / f"{DEAD}.jsonl.gz.new").symlink_to("/dev/full")

    async def story() -> None:
        assert await take_over(ledger_in(tmp_path), tmp_path) == []

    run_virtual(story())
    names = {f.name for f in (tmp_path / "one" / "runs").iterdir()}
    assert names == {f"{DEAD}.json", f"{record('a').run}.json"}
    assert (tmp_path / "two" / "runs" / f"{DEAD}.jsonl.gz").exists()

"""Two operators, one cloud: the lock's own scripts, run by a real shell in scratch folders."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import itertools
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudwright.engine.clock import run_virtual
from cloudwright.errors import Locked, StepFailed, Unreachable, UnsafePlan
from cloudwright.execute.history import History
from cloudwright.execute.journal.holder import this_process
from cloudwright.execute.journal.journal import JOURNAL, parse_journal
from cloudwright.execute.journal.record import from_line, read_records
from cloudwright.execute.journal.timeline import timeline
from cloudwright.execute.lock import changing as module
from cloudwright.execute.lock.breaking import break_lock, is_free, lines_of
from cloudwright.execute.lock.changing import changing, holder_of, refuse_if_held
from cloudwright.execute.lock.decide import Unknown
from cloudwright.execute.lock.ledger import KEPT_RUNS, Ledger, Page
from tests.simulated.ledgers import NAMES, holders, ledger_in, record, scratch, silent


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    delays=st.lists(st.floats(0, 0.3), min_size=1, max_size=40), lost=st.sampled_from([*NAMES, ""])
)
def test_two_at_once(delays: list[float], lost: str) -> None:
    """Whatever the hosts' speed, never both at once, and at least one gets the cloud."""
    inside: list[str] = []
    ends: list[str] = []

    async def operator(ledger: Ledger, name: str, folder: Path) -> None:
        try:
            async with changing(ledger, record(name), folder / f"runs-{name}", lambda line: None):
                inside.append(name)
                assert inside == [name]
                await asyncio.sleep(0.5)
                inside.remove(name)
                ends.append("done")
        except Locked as error:
            assert "process" in error.why
            ends.append("locked")

    async def story(folder: Path) -> None:
        ledger = ledger_in(folder, itertools.cycle(delays))
        if lost:
            ledger.hosts[lost].lost = True  # type: ignore[attr-defined]
        await asyncio.gather(operator(ledger, "a", folder), operator(ledger, "b", folder))
        assert set(holders(await ledger.peek())) == {""}

    with scratch() as folder:
        run_virtual(story(folder))
    assert len(ends) == 2
    assert "done" in ends


def test_a_lost_minority_stops_nobody_and_a_lost_majority_everybody(tmp_path: Path) -> None:
    async def story() -> None:
        ledger = ledger_in(tmp_path)
        ledger.hosts["one"].lost = True  # type: ignore[attr-defined]
        said: list[str] = []
        async with changing(ledger, record("a"), tmp_path / "runs", said.append):
            with pytest.raises(Locked):
                refuse_if_held(await ledger.peek())
        assert said == ["the lock may still be on one: the connection to one was lost"]
        ledger.hosts["two"].lost = True  # type: ignore[attr-defined]
        with pytest.raises(Unreachable, match="too few of the 3 hosts") as caught:
            async with changing(ledger, record("b"), tmp_path / "runs", silent):
                raise AssertionError("two of three hosts are lost")
        assert caught.value.why.splitlines()[0] == "one: the connection to one was lost"
        assert holders(await ledger.peek()) == [""]

    run_virtual(story())


def test_the_record_and_the_journal_stay_on_every_host_and_here(tmp_path: Path) -> None:
    runs = tmp_path / "runs"

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        with pytest.raises(StepFailed):
            async with changing(ledger, record("a"), runs, silent) as change:
                assert [r.result for r in read_records(runs)] == [""]
                for name in NAMES:
                    begun = from_line(
                        (tmp_path / name / "runs" / f"{change.record.run}.json").read_text()
                    )
                    assert begun is not None and begun.result == ""
                (change.directory / JOURNAL).write_text("{}\n")
                raise StepFailed("it broke")
        for name in NAMES:
            folder = tmp_path / name / "runs"
            files = sorted(folder.iterdir())
            assert [f.name for f in files] == [
                f"{change.record.run}.json",
                f"{change.record.run}.jsonl.gz",
            ]
            assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
            assert gzip.decompress(files[1].read_bytes()) == b"{}\n"
            kept = from_line(files[0].read_text())
            assert kept is not None
            assert (kept.result, kept.error) == ("failed", "it broke")
        assert list(read_records(runs)) == [kept]

    run_virtual(story())


def test_hosts_keep_so_many_runs_and_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "runs"
    folder.mkdir(parents=True)
    for n in range(KEPT_RUNS + 5):
        for ending in ("json", "jsonl.gz"):
            (folder / f"2025-01-01T00-00-00-{n:04x}.{ending}").write_text("")

    async def story() -> None:
        async with changing(ledger_in(tmp_path), record("a"), tmp_path / "runs", silent):
            pass

    run_virtual(story())
    names = {f.name.partition(".")[0] for f in folder.iterdir()}
    assert len(names) == KEPT_RUNS
    assert f"{record('a').run}" in names
    assert f"2025-01-01T00-00-00-{5:04x}" not in names


HOLD = """
import asyncio, sys
from pathlib import Path
from cloudwright.execute.lock.changing import changing
from tests.simulated.ledgers import ledger_in, record

async def main(folder):
    async with changing(ledger_in(folder), record("dead"), folder / "runs", print):
        print("holds", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main(Path(sys.argv[1])))
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    """Another process of ours that holds the cloud."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout and process.stdout.readline() == "holds\n"
    return process


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


def test_breaking_frees_what_was_seen_and_nothing_else(tmp_path: Path) -> None:
    process = start_holder(tmp_path)
    assert process.stdin

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        seen = await ledger.peek()
        assert not is_free(seen)
        assert all(f"process {process.pid}" in line for line in lines_of(seen))
        pages = await break_lock(ledger, seen, record("b", verb="lock break"), tmp_path / "runs")
        assert is_free(pages)
        assert lines_of(pages) == ("one: free", "two: free", "three: free")
        async with changing(ledger, record("c"), tmp_path / "runs", silent) as change:
            after = await break_lock(
                ledger, seen, record("d", verb="lock break"), tmp_path / "runs"
            )
            holder = holder_of(after)
            assert holder and holder.run == change.record.run

    run_virtual(story())
    rest, _ = process.communicate("\n")
    assert rest.splitlines() == [
        f"the lock on {name} was not ours any more: somebody broke it meanwhile" for name in NAMES
    ]


def test_a_run_in_between_is_noticed(tmp_path: Path) -> None:
    async def story() -> None:
        ledger = ledger_in(tmp_path)
        seen = await ledger.peek()
        async with changing(ledger, record("a"), tmp_path / "runs", silent, seen):
            pass
        with pytest.raises(UnsafePlan, match="another run changed this cloud") as caught:
            async with changing(ledger, record("b"), tmp_path / "runs", silent, seen):
                raise AssertionError("what was seen is old")
        assert record("a").run in caught.value.why
        assert set(holders(await ledger.peek())) == {""}
        assert [r.run for r in read_records(tmp_path / "runs")] == [record("a").run]

    run_virtual(story())


def test_cancelled_while_it_takes_the_lock_it_leaves_nothing(tmp_path: Path) -> None:
    async def one() -> None:
        async with changing(
            ledger_in(tmp_path, itertools.repeat(1.0)), record("a"), tmp_path / "runs", silent
        ):
            raise AssertionError("it was cancelled")

    async def story() -> None:
        task = asyncio.create_task(one())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert set(holders(await ledger_in(tmp_path).peek())) == {""}

    run_virtual(story())


def test_a_lock_that_nobody_can_read_is_somebodys(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name / "runs").mkdir(parents=True)
        (tmp_path / name / "lock").write_text("rubbish")

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        with pytest.raises(Locked, match="another run"):
            async with changing(ledger, record("a"), tmp_path / "runs", silent):
                raise AssertionError("there is a lock")
        seen = await ledger.peek()
        assert is_free(await break_lock(ledger, seen, record("b"), tmp_path / "runs"))

    run_virtual(story())


def test_a_full_disk_on_one_host_is_one_host_less(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a file, where a directory should be made")

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        said: list[str] = []
        async with changing(ledger, record("a"), tmp_path / "runs", said.append):
            pages = await ledger.peek()
            assert isinstance(pages["one"], Unknown) or pages["one"] == Page()
        assert len(said) == 1 and said[0].startswith("the lock may still be on one: ")

    run_virtual(story())


def test_nothing_to_do_costs_one_question_a_host(tmp_path: Path) -> None:
    async def story() -> Ledger:
        ledger = ledger_in(tmp_path)
        await ledger.peek()
        return ledger

    hosts = run_virtual(story()).hosts.values()
    assert [host.commands for host in hosts] == [1, 1, 1]  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []  # and leaves nothing


def test_what_a_record_says_is_json_on_one_line(tmp_path: Path) -> None:
    odd = record("a", reason='line\nbreak, "quotes", \\back\\slashes $(id) `id` ⟦x⟧')

    async def story() -> None:
        async with changing(ledger_in(tmp_path), odd, tmp_path / "runs", silent):
            text = (tmp_path / "one" / "lock").read_text().splitlines()
            assert json.loads(text[1])["why"] == odd.what

    run_virtual(story())
    kept = from_line((tmp_path / "one" / "runs" / f"{odd.run}.json").read_text())
    assert kept is not None and kept.reason == odd.reason


def test_a_cloud_that_is_gone_leaves_no_trace_on_its_hosts(tmp_path: Path) -> None:
    async def story() -> None:
        ledger = ledger_in(tmp_path)
        async with changing(ledger, record("a"), tmp_path / "runs", silent):
            pass
        with pytest.raises(StepFailed):
            async with changing(ledger, record("b"), tmp_path / "runs", silent):
                raise StepFailed("not all could be removed")
        assert holders(await ledger.peek()) == ["", "", ""]
        async with changing(ledger, record("c"), tmp_path / "runs", silent) as change:
            change.gone = True
        assert not any((tmp_path / name).exists() for name in NAMES)
        assert [r.result for r in read_records(tmp_path / "runs")] == ["done", "failed", "done"]
        async with changing(ledger, record("d"), tmp_path / "runs", silent):
            pass

    run_virtual(story())

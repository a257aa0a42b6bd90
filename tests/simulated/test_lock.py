"""Two operators, one cloud: the lock's own scripts, run by a real shell in scratch folders."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudwright.engine.clock import run_virtual
from cloudwright.errors import Locked, StepFailed, Unreachable, UnsafePlan
from cloudwright.execute.journal.journal import JOURNAL
from cloudwright.execute.journal.record import from_line, read_records
from cloudwright.execute.lock.breaking import break_lock, is_free, lines_of
from cloudwright.execute.lock.changing import changing, holder_of, refuse_if_held
from cloudwright.execute.lock.decide import Unknown
from cloudwright.execute.lock.ledger import KEPT_RUNS, Ledger, Page
from tests.simulated.ledgers import (
    NAMES,
    holders,
    ledger_in,
    record,
    scratch,
    silent,
    start_holder,
)


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


def test_breaking_frees_what_was_seen_and_nothing_else(tmp_path: Path) -> None:
    process = start_holder(tmp_path)
    assert process.stdin

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        seen = await ledger.peek()
        assert not is_free(seen)
        assert all(f"process {process.pid}" in line for line in lines_of(seen))
        pages = await break_lock(
            ledger, seen, record("b", verb="lock break"), tmp_path / "runs", silent
        )
        assert is_free(pages)
        assert lines_of(pages) == ("one: free", "two: free", "three: free")
        async with changing(ledger, record("c"), tmp_path / "runs", silent) as change:
            after = await break_lock(
                ledger, seen, record("d", verb="lock break"), tmp_path / "runs", silent
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
        assert is_free(await break_lock(ledger, seen, record("b"), tmp_path / "runs", silent))

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

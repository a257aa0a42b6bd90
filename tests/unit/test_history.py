"""What is told of a run afterwards: whose it was, what it waited for, what decided its length."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloudwright.cli.explain_run import story_text
from cloudwright.cli.view_plain import PlainView, _both
from cloudwright.errors import Missing
from cloudwright.execute.history import History, merge
from cloudwright.execute.journal.events import (
    Event,
    RunEnded,
    RunStarted,
    StepDone,
    StepFailure,
    StepSkipped,
    StepStarted,
    StepWaits,
)
from cloudwright.execute.journal.journal import Journal, as_json, parse_journal, read_journal
from cloudwright.execute.journal.record import (
    RUN_ID,
    Record,
    from_line,
    new_run_id,
    read_records,
    to_line,
    write_record,
)
from cloudwright.execute.journal.source import description_digest
from cloudwright.execute.journal.timeline import Timeline, Wait, critical_path, timeline
from cloudwright.execute.lock.ledger import Ledger
from cloudwright.plan.difference import Change, Planned
from cloudwright.plan.steps import MakeVolume, Step
from cloudwright.transport.local import LocalHost

GATES: dict[str, frozenset[str]] = {
    "a/one@h": frozenset(),
    "a/two@h": frozenset(),
    "b/one@h": frozenset({"a/one@h", "a/two@h"}),
    "c/one@h": frozenset({"b/one@h"}),
    "d/one@h": frozenset({"c/one@h"}),
}


def events(directory: str = "") -> tuple[Event, ...]:
    planned = tuple(
        Planned(
            step=Step(id=id, host="h", action=MakeVolume(volume=id)), change=Change.MAKE, why="new"
        )
        for id in GATES
    )
    return (
        RunStarted(planned=planned, directory=directory, at=100.0, gates=GATES),
        StepStarted(id="a/one@h", host="h", what="new", at=100.0),
        StepStarted(id="a/two@h", host="h", what="new", at=100.0),
        StepWaits(id="a/two@h", reason="no port", at=101.0),
        StepDone(id="a/one@h", seconds=2, at=102.0),
        StepWaits(id="a/two@h", reason="answers 503", at=103.0),
        StepDone(id="a/two@h", seconds=8, at=108.0),
        StepStarted(id="b/one@h", host="h", what="new", at=109.0),
        StepDone(id="b/one@h", seconds=1, at=110.0),
        StepStarted(id="c/one@h", host="h", what="new", at=110.0),
        StepFailure(id="c/one@h", seconds=2, error="it broke\nbadly", log="l", at=112.0),
        StepSkipped(id="d/one@h", because="c/one@h", at=112.0),
        RunEnded(done=3, failed=1, skipped=1, seconds=12.0, at=112.0),
    )


def story(count: int | None = None) -> Timeline:
    return timeline([as_json(event) for event in events()[:count]])


def test_the_critical_path_is_of_the_last_gates() -> None:
    assert [s.id for s in critical_path(story())] == ["a/two@h", "b/one@h", "c/one@h"]
    assert story().seconds == 12.0


def test_a_step_knows_its_gate_its_queue_and_its_waits() -> None:
    steps = story().steps
    assert (steps["b/one@h"].gate, steps["b/one@h"].ready) == ("a/two@h", 8.0)
    assert steps["b/one@h"].queued == 1.0
    assert steps["a/two@h"].waits == (
        Wait(reason="no port", seconds=2.0),
        Wait(reason="answers 503", seconds=5.0),
    )
    assert {id: step.result for id, step in steps.items()} == {
        "a/one@h": "done",
        "a/two@h": "done",
        "b/one@h": "done",
        "c/one@h": "failed",
        "d/one@h": "skipped",
    }


@pytest.mark.parametrize("count", range(len(events()) + 1))
def test_a_journal_cut_anywhere_is_told_as_far_as_it_goes(count: int) -> None:
    cut = story(count)
    text = story_text(cut)
    assert "critical path" in text
    running = {id for id, step in cut.steps.items() if step.result == "running"}
    started = {e.id for e in events()[:count] if isinstance(e, StepStarted)}
    over = {e.id for e in events()[:count] if isinstance(e, StepDone | StepFailure)}
    assert running == started - over


def test_the_text_names_what_took_long_and_what_is_not_done() -> None:
    text = story_text(story())
    assert text.startswith("critical path: 11.0 of 12.0 s\n")
    assert "b/one@h  queued 1.0 s" in text
    assert "5.0      a/two@h  answers 503" in text
    assert "c/one@h  failed   it broke" in text
    assert "d/one@h  skipped  c/one@h" in text


def test_a_journal_written_is_the_story_read(tmp_path: Path) -> None:
    journal = Journal()
    for event in events(str(tmp_path)):
        journal(event)
    assert timeline(read_journal(tmp_path / "journal.jsonl")) == story()


@given(error=st.text(max_size=30))
@example(error="a\x85b\u2028c\u2029d\x0be\x0c\x1cf\r\ng")
@example(error="not UTF-8: \udcff")
def test_any_error_text_is_read_as_it_was_written(error: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "journal.jsonl"
        journal = Journal()
        for event in events(folder):
            if isinstance(event, StepFailure):
                event = dataclasses.replace(event, error=error)
            journal(event)
        (failed,) = [e for e in read_journal(written) if e["event"] == "StepFailure"]
        assert failed["error"] == error


def test_a_journal_that_is_cut_or_damaged_at_any_byte_is_told(tmp_path: Path) -> None:
    journal = Journal()
    for event in events(str(tmp_path)):
        match event:
            case StepFailure():
                journal(dataclasses.replace(event, error="–\u2028\x85–"))
            case _:
                journal(event)
    content = (tmp_path / "journal.jsonl").read_bytes()
    whole = parse_journal(content)
    assert len(whole) == len(events())
    for at in range(len(content)):
        lines = content[:at].count(b"\n")
        assert parse_journal(content[:at]) == whole[:lines]
        timeline(whole[:lines])
        damaged = parse_journal(content[:at] + b"\0" + content[at + 1 :])
        assert len(damaged) >= len(whole) - 2  # a lost end of a line takes the next one along


def history(state: Path, ledger: Path) -> History:
    hosts = {"one": LocalHost()} if ledger.exists() else {}
    return History(
        runs=(), unknown={}, state=state, ledger=Ledger(hosts=hosts, directory=str(ledger))
    )


def test_a_journal_that_tells_nothing_is_said_to_be_unreadable(tmp_path: Path) -> None:
    here, kept = tmp_path / "runs" / FIRST, tmp_path / "ledger" / "runs"
    here.mkdir(parents=True)
    (here / "journal.jsonl").write_text('{"event": "RunStarted"}\n')
    with pytest.raises(Missing, match=f"the journal of {FIRST} cannot be read"):
        asyncio.run(history(tmp_path, tmp_path / "nowhere").story(FIRST))
    kept.mkdir(parents=True)
    (kept / f"{SECOND}.jsonl.gz").write_bytes(gzip.compress(b"{}\n")[:-9])
    with pytest.raises(Missing, match=f"the journal of {SECOND} cannot be read"):
        asyncio.run(history(tmp_path, tmp_path / "ledger").story(SECOND))


def record(run: str, **changed: object) -> Record:
    values: dict[str, object] = {
        "run": run,
        "cloud": "c",
        "verb": "apply",
        "reason": "",
        "user": "u",
        "machine": "m",
        "pid": 1,
        "began": 1.0,
        "version": "1",
        "release": "2026.2",
        "description": "d",
        "commit": "",
        "dirty": False,
    }
    return Record(**(values | changed))  # type: ignore[arg-type]


FIRST, SECOND, THIRD = (f"2026-01-01T00-00-0{n}-00a{n}" for n in (1, 2, 3))


def test_accounts_of_one_run_become_one_that_knows_its_end() -> None:
    ended = record(FIRST, result="done", ended=2.0)
    runs = merge(
        {
            "one": [record(SECOND), record(FIRST)],
            "two": [ended],
            "here": [record(FIRST), record(THIRD)],
        },
        held=THIRD,
    )
    assert [(r.record.run, r.result, r.places) for r in runs] == [
        (FIRST, "done", ("one", "two", "here")),
        (SECOND, "killed", ("one",)),
        (THIRD, "running", ("here",)),
    ]
    assert runs[0].record == ended


def test_a_run_is_found_by_its_name_or_its_last_letters(tmp_path: Path) -> None:
    found = History(
        runs=merge({"one": [record(FIRST), record(SECOND)]}, held=""),
        unknown={"two": "is lost"},
        state=tmp_path,
        ledger=Ledger(hosts={}),
    )
    assert found.find(SECOND) == found.find("00a2")
    with pytest.raises(Missing, match="nobody remembers a run called 00a3") as caught:
        found.find("00a3")
    assert caught.value.why == "two: is lost"


def test_records_survive_their_line_and_others_are_left_out(tmp_path: Path) -> None:
    one = record(new_run_id(0.0), reason="a\nline")
    assert RUN_ID.fullmatch(one.run)
    assert "\n" not in to_line(one)
    assert from_line(to_line(one)) == one
    newer = to_line(one).replace('"run"', '"something of a later version": 1, "run"', 1)
    assert from_line(newer) == one
    for line in ("", "{", "[]", "{}", to_line(dataclasses.replace(one, run="../../etc"))):
        assert from_line(line) is None
    write_record(tmp_path, one)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_text("{")
    assert list(read_records(tmp_path)) == [one]


def test_the_digest_is_of_what_the_operator_wrote(tmp_path: Path) -> None:
    path, overrides = tmp_path / "cloud.yaml", tmp_path / "config" / "nova"
    path.write_text("name: c\n")
    overrides.mkdir(parents=True)
    seen = {description_digest(path, "config")}
    (overrides / "nova.conf").write_text("[DEFAULT]\n")
    seen.add(description_digest(path, "config"))
    (overrides / "nova.conf").rename(overrides / "other.conf")
    seen.add(description_digest(path, "config"))
    path.write_text("name: d\n")
    seen.add(description_digest(path, "config"))
    (tmp_path / "notes.txt").write_text("no part of it")
    seen.add(description_digest(path, "config"))
    assert len(seen) == 4


def test_a_reader_that_goes_ends_no_run() -> None:
    written: list[Event] = []
    lines: list[str] = []

    def write(line: str) -> None:
        if len(lines) == 2:
            raise BrokenPipeError
        lines.append(line)

    tell = _both(written.append, PlainView(write=write))
    for event in events():
        tell(event)
    assert len(lines) == 2
    assert tuple(written) == events()

"""What a run looks like: as plain lines, on a terminal, and in the journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from cloudwright.cli.outcome import raise_unless_whole
from cloudwright.cli.progress import Progress
from cloudwright.cli.view_pieces import BUILDS, CURES, HOSTS, PARTS, PiecesView, Wording
from cloudwright.cli.view_plain import PlainView
from cloudwright.cli.view_rich import LiveView
from cloudwright.errors import Interrupted, StepFailed
from cloudwright.execute.journal.events import (
    Event,
    Outcome,
    RunEnded,
    RunStarted,
    StepDone,
    StepFailure,
    StepSkipped,
    StepStarted,
    StepWaits,
)
from cloudwright.execute.journal.journal import IllegalTransitionError, Journal, read_journal
from cloudwright.execute.pieces import PieceBegan, PieceDone, PiecesBegan, Said
from cloudwright.plan.difference import Change, Plan, Planned
from cloudwright.plan.estimate import Sample, durations, estimate
from cloudwright.plan.steps import MakeVolume, Step


def planned(id: str, *needs: str) -> Planned:
    step = Step(id=id, host="a", action=MakeVolume(volume="v"), needs=frozenset(needs))
    return Planned(step=step, change=Change.MAKE, why="is not there")


PLANNED = (planned("x/one@a"), planned("x/two", "x/one@a"), planned("x/three@a", "x/two"))


def a_run(directory: Path) -> tuple[Event, ...]:
    return (
        RunStarted(planned=PLANNED, directory=str(directory), at=100.0),
        StepStarted(id="x/one@a", host="a", what="is not there", at=100.0),
        StepWaits(id="x/one@a", reason="answers 503", at=100.5),
        StepDone(id="x/one@a", seconds=1.25, at=101.25),
        StepStarted(id="x/two", host="a", what="is not there", at=101.25),
        StepFailure(id="x/two", seconds=2.0, error="it broke\nbadly", log="l.log", at=103.25),
        StepSkipped(id="x/three@a", because="x/two", at=103.25),
        RunEnded(done=1, failed=1, skipped=1, seconds=3.25, at=103.25),
    )


def test_plain_lines(tmp_path: Path) -> None:
    lines: list[str] = []
    view = PlainView(write=lines.append)
    for event in a_run(tmp_path):
        view(event)
    assert lines == [
        f"[   0.0 s] 3 steps; journal and logs in {tmp_path}",
        "[   0.0 s] begins x/one@a",
        "[   0.5 s] waits  x/one@a: answers 503",
        "[   1.2 s] 1/3 done x/one@a in 1.2 s",
        "[   1.2 s] begins x/two on a",
        "[   3.2 s] 2/3 FAILED x/two on a; log: l.log",
        "           it broke",
        "           badly",
        "[   3.2 s] 3/3 skipped x/three@a because of x/two",
        "[   3.2 s] 1 done, 1 failed, 1 skipped in 3.2 s",
    ]


def test_a_terminal_shows_what_runs_what_it_waits_for_and_what_is_next(tmp_path: Path) -> None:
    view = LiveView(say=lambda text: None, clock=lambda: 101.0)
    for event in a_run(tmp_path)[:3]:
        view(event)
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(view.board())
    text = console.export_text()
    assert "0 of 3" in text
    assert "3 left" in text
    assert "1.0 s" in text
    assert "x/one" in text
    assert "waits: answers 503" in text
    assert "next: x/two" in text
    assert "x/three" not in text


def test_a_terminal_tells_a_failure_whole(tmp_path: Path) -> None:
    said: list[str] = []
    view = LiveView(say=said.append, clock=lambda: 104.0)
    for event in a_run(tmp_path):
        view(event)
    text = "\n".join(said)
    assert "✗ x/two" in text
    assert "    it broke\n    badly" in text
    assert "1 done, 1 failed, 1 skipped" in text


def test_the_journal_holds_every_event(tmp_path: Path) -> None:
    journal = Journal()
    for event in a_run(tmp_path / "run"):
        journal(event)
    file = tmp_path / "run" / "journal.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in lines] == [type(e).__name__ for e in a_run(tmp_path)]
    assert lines[0]["planned"][0] == {
        "id": "x/one@a", "host": "a", "change": "+", "why": "is not there", "gates": [],
    }  # fmt: skip
    with file.open("a") as cut:
        cut.write('{"event": "StepDo')
    assert list(read_journal(file)) == lines


@pytest.mark.parametrize(
    "event",
    [
        StepDone(id="x/one@a", seconds=1, at=1),
        StepStarted(id="x/unknown", host="a", what="", at=1),
        RunStarted(planned=PLANNED, directory="", at=1),
    ],
    ids=["ends before it began", "nobody planned it", "begins again"],
)
def test_the_journal_refuses_what_cannot_be(tmp_path: Path, event: Event) -> None:
    journal = Journal()
    journal(a_run(tmp_path)[0])
    with pytest.raises(IllegalTransitionError):
        journal(event)


def test_no_run_ends_while_a_step_runs(tmp_path: Path) -> None:
    journal = Journal()
    for event in a_run(tmp_path)[:2]:
        journal(event)
    with pytest.raises(IllegalTransitionError, match="while x/one@a ran"):
        journal(a_run(tmp_path)[-1])


def test_outcomes_become_errors() -> None:
    plan = Plan(cloud="tiny", planned=PLANNED, needs={}, unchanged=0)
    raise_unless_whole(Outcome(done=("x/one@a",)), plan)
    failed = Outcome(
        done=("x/one@a",), failed={"x/two": "x/two: it broke"}, skipped={"x/three@a": "x/two"}
    )
    with pytest.raises(StepFailed) as caught:
        raise_unless_whole(failed, plan)
    assert caught.value.what == "1 step failed, 1 were skipped, 1 are done"
    assert caught.value.why == "x/two: it broke"
    with pytest.raises(Interrupted, match="1 step done, 2 left"):
        raise_unless_whole(Outcome(done=("x/one@a",), interrupted=True), plan)


def test_both_views_say_what_is_left_when_earlier_runs_tell(tmp_path: Path) -> None:
    plan = Plan(
        cloud="tiny",
        planned=PLANNED,
        needs={p.step.id: p.step.needs for p in PLANNED},
        unchanged=0,
    )
    samples = [Sample(id=p.step.id, change="+", seconds=3.0) for p in PLANNED]
    expected = estimate(plan, durations(1, samples))
    lines: list[str] = []
    plain = PlainView(write=lines.append, progress=Progress(expected=expected))
    live = LiveView(
        say=lambda text: None, clock=lambda: 101.0, progress=Progress(expected=expected)
    )
    for event in a_run(tmp_path)[:4]:
        plain(event)
        live(event)
    assert lines[1] == "[   0.0 s] critical path: x/one@a → x/two → x/three@a"
    assert lines[-1] == "[   1.2 s] 1/3 done x/one@a in 1.2 s; about 6 s left"
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(live.board())
    text = console.export_text()
    assert "about 6 s left" in text
    assert "critical path: x/two → x/three@a" in text


def test_image_builds_say_what_is_done_what_runs_and_what_is_next() -> None:
    lines: list[str] = []
    view = PiecesView(say=lines.append, lines=BUILDS.plain)
    needs = {"debian": set(), "base": {"debian"}, "mariadb": {"base"}, "nova": {"mariadb"}}
    view(PiecesBegan(needs={name: frozenset(those) for name, those in needs.items()}))
    view(PieceBegan(name="debian"))
    view(PieceDone(name="debian", seconds=12.34))
    view(PieceBegan(name="base"))
    assert lines == [
        "4 images to build: debian, base, mariadb, nova",
        "begins debian",
        "1/4 debian in 12.3 s",
        "begins base",
    ]
    assert list(view.running) == ["base"]
    assert view.following() == ("mariadb",)


def a_small_lab(wording: Wording, clock: float) -> tuple[PiecesView, list[str]]:
    """A view of a lab whose second host is being started, and what it said."""
    lines: list[str] = []
    view = PiecesView(say=lines.append, lines=wording.live, clock=lambda: clock)
    view(PiecesBegan(needs={"networks": frozenset()}))
    view(PieceBegan(name="networks"))
    view(PieceDone(name="networks", seconds=0.5))
    view(PiecesBegan(needs={name: frozenset({"networks"}) for name in ("one", "two", "three")}))
    for name in ("one", "two"):
        view(Said(text=f"starting {name}"))
        view(PieceBegan(name=name))
    view(PieceDone(name="one", seconds=2.0))
    return view, lines


def test_pieces_that_come_to_light_later_are_counted_too(tmp_path: Path) -> None:
    view, lines = a_small_lab(HOSTS, 100.0)
    assert lines == ["✓ networks (0.5 s)", "starting one", "starting two", "✓ one (2.0 s)"]
    view.clock = lambda: 103.0
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(view.board())
    text = console.export_text()
    assert "2 of 4" in text
    assert "3.0 s  two" in text
    assert "next: three" in text
    assert "one" not in text.replace("networks", "")


@pytest.mark.parametrize(
    ("wording", "lines"),
    [
        (PARTS, ["✓ image (1.2 s)", "  removed 3 things"]),
        (HOSTS, ["  removed 3 things"]),
        (CURES, ["image", "  removed 3 things"]),
    ],
    ids=["smoke", "lab", "doctor"],
)
def test_lines_of_a_pipe(wording: Wording, lines: list[str]) -> None:
    said: list[str] = []
    view = PiecesView(say=said.append, lines=wording.plain)
    view(PiecesBegan(needs={"image": frozenset()}))
    view(PieceBegan(name="image"))
    view(PieceDone(name="image", seconds=1.23))
    view(Said(text="  removed 3 things"))
    assert said == lines

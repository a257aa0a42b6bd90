"""How long a plan will take is said from what was, with what is unknown named; or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.cli.progress import Progress
from cloudwright.execute.journal.durations import read_durations
from cloudwright.execute.journal.events import RunEnded, RunStarted, StepDone, StepStarted
from cloudwright.execute.journal.journal import Journal
from cloudwright.plan.difference import Change, Plan, Planned
from cloudwright.plan.estimate import (
    Durations,
    Estimate,
    Sample,
    durations,
    estimate,
    expected_json,
    in_words,
)
from cloudwright.plan.steps import MakeVolume, Step

GATES = {"a/one@h": (), "a/two@h": (), "b/one@h": ("a/one@h", "a/two@h"), "c/job/x": ("b/one@h",)}


def plan(change: Change = Change.MAKE) -> Plan:
    planned = tuple(
        Planned(step=Step(id=id, host="h", action=MakeVolume(volume=id)), change=change, why="")
        for id in GATES
    )
    needs = {id: frozenset(gates) for id, gates in GATES.items()}
    return Plan(cloud="c", planned=planned, needs=needs, unchanged=0)


def known(*samples: tuple[str, str, float], runs: int = 1) -> Durations:
    return durations(runs, [Sample(id=i, change=c, seconds=s) for i, c, s in samples])


WHOLE = known(("a/one@h", "+", 1), ("a/two@h", "+", 5), ("b/one@h", "+", 2), ("c/job/x", "+", 4))


def test_it_takes_as_long_as_the_longest_chain() -> None:
    expected = estimate(plan(), WHOLE)
    assert expected.total == 11
    assert expected.path == ("a/two@h", "b/one@h", "c/job/x")
    assert str(expected) == "about 10 s, from 1 earlier run"


@pytest.mark.parametrize(
    "expected",
    [
        estimate(plan(), known(runs=0)),
        estimate(plan(), known(("z/files/q@h", "+", 1))),
        Estimate(),
    ],
    ids=["no run", "nothing alike", "nothing to do"],
)
def test_nothing_known_is_said(expected: Estimate) -> None:
    assert str(expected) == "no estimate: nothing like it was done from here before"
    assert expected_json(expected)["seconds"] is None


def test_the_most_alike_counts() -> None:
    found = known(
        ("a/one@h", "+", 10), ("a/one@h", "+", 30), ("a/one@h", "+", 20), ("a/one@h", "~", 1),
        ("a/one@other", "~", 3), ("z/other@h", "~", 50),
    )  # fmt: skip
    assert found.of("a/one@h", "+") == 20
    assert found.of("a/one@h", "~") == 1
    assert found.of("a/one@third", "~") == 2  # the median over hosts
    assert found.of("a/one@h", "-") == 10  # of any change
    assert found.of("y/new@h", "+") == 15  # of any container
    assert found.of("y/files/new@h", "+") is None


def test_steps_never_done_before_are_counted() -> None:
    expected = estimate(plan(), known(("a/two@h", "+", 100), runs=3))
    assert expected.unknown == 1
    assert str(expected) == "about 3 min, from 3 earlier runs; 1 step was never done before"


@given(
    st.lists(st.floats(0.1, 100), min_size=4, max_size=4),
    st.lists(st.sampled_from(sorted(GATES)), unique=True),
    st.floats(0, 50),
)
def test_what_is_left_never_grows(seconds: list[float], order: list[str], elapsed: float) -> None:
    samples = [Sample(id=id, change="+", seconds=s) for id, s in zip(GATES, seconds, strict=True)]
    expected = estimate(plan(), durations(1, samples))
    left = expected.total
    assert left == expected.left((), {})
    for count in range(len(order) + 1):
        now = expected.left(order[:count], {})
        assert now <= left
        running = {id: elapsed for id in order[count:]}
        assert expected.left(order[:count], running) <= now
        left = now
    assert expected.left(GATES, {}) == 0


def test_progress_says_what_is_left_and_on_which_path() -> None:
    progress = Progress(expected=estimate(plan(), WHOLE))
    assert progress.left_text(0.0) == "about 10 s left"
    assert progress.path_text() == "critical path: a/two@h → b/one@h → c/job/x"
    progress(StepStarted(id="a/two@h", host="h", what="", at=100.0))
    assert progress.left_text(103.0) == "about 8 s left"
    assert progress.left_text(1000.0) == "about 7 s left"  # it is late: taken to end now
    for id in ("a/one@h", "a/two@h", "b/one@h"):
        progress(StepDone(id=id, seconds=1, at=105.0))
    assert progress.left_text(105.0) == "about 4 s left"
    assert progress.path_text() == ""
    progress(StepDone(id="c/job/x", seconds=1, at=109.0))
    assert progress.left_text(109.0) == ""
    unknown = Progress()
    assert (unknown.left_text(0.0), unknown.path_text()) == ("", "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "1 s"), (9.4, "9 s"), (52, "50 s"), (89, "90 s"), (200, "3 min"), (7200, "2.0 h")],
)
def test_words_are_no_more_exact_than_an_estimate(seconds: float, said: str) -> None:
    assert in_words(seconds) == said


def test_journals_are_what_it_is_learnt_from(tmp_path: Path) -> None:
    planned = plan().planned[:1]
    for name, seconds in (("2026-01-01T00-00-00-0001", 2.0), ("2026-01-01T00-00-00-0002", 4.0)):
        journal = Journal()
        journal(RunStarted(planned=planned, directory=str(tmp_path / name), at=100.0))
        journal(StepStarted(id="a/one@h", host="h", what="", at=100.0))
        journal(StepDone(id="a/one@h", seconds=seconds, at=100.0 + seconds))
        journal(RunEnded(done=1, failed=0, skipped=0, seconds=seconds, at=100.0 + seconds))
    for name, text in (("2026-01-01T00-00-00-0003", "{"), ("2026-01-01T00-00-00-0004", "[]\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.jsonl").write_text(text)
    found = read_durations(tmp_path)
    assert found.runs == 2
    assert found.of("a/one@h", "+") == 3.0
    assert read_durations(tmp_path / "nowhere").runs == 0

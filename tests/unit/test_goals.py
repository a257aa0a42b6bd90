"""What the benchmark of drills says of their reports: each figure beside its goal."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cloudwright.model.load import load
from cloudwright.operations.drill.analysis import figures
from cloudwright.operations.drill.injury import Injury, cold_start, cut, failure_of, lose_site
from cloudwright.operations.drill.records import Marks, Request
from cloudwright.operations.drill.report import Report, plain
from cloudwright.operations.drill.sides import Sample
from cloudwright.operations.drill.verdict import CREATES, ROWS, TOKEN, Limits, Measured
from cloudwright.operations.what_if import forecast
from cloudwright.services import SERVICES

ROOT = Path(__file__).parents[2]
TWO = load(ROOT / "examples" / "two-sites.yaml")
MARKS = Marks(broken_from=10, broken_at=11, mended_from=40, mended_at=48, whole_at=90, ended=95)


@pytest.fixture(scope="module")
def goals() -> ModuleType:
    """The module of the benchmarks, which are no package."""
    spec = importlib.util.spec_from_file_location("goals", ROOT / "benchmarks" / "goals.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["goals"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def steady(
    stream: str, silent: tuple[float, float] = (0, 0), seconds: float = 0.25
) -> list[Request]:
    return [
        Request(
            stream=stream,
            began=begin / 2,
            seconds=seconds,
            outcome="failed" if silent[0] <= begin / 2 < silent[1] else "ok",
        )
        for begin in range(190)
    ]


def report(
    injury: Injury, requests: list[Request], samples: tuple[Sample, ...] = (), marks: Marks = MARKS
) -> dict[str, Any]:
    """As it lies in `report.json`."""
    done = Report(
        name=injury.label,
        cloud="c",
        when="",
        machine="",
        load="",
        left_out={},
        limits=Limits(),
        forecast=forecast(TWO, SERVICES, failure_of(TWO, injury)),
        measured=Measured(
            marks=marks, figures=figures(requests, marks), ledgers=(), two_writers=None
        ),
        wrong=(),
    )
    told: dict[str, Any] = json.loads(json.dumps(plain(done, requests, samples)))
    return told


def said(goals: ModuleType, *reports: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What → its row's other cells."""
    rows = [one.cells() for one in goals.measured(reports)]
    return {row[1]: row[2:] for row in rows}


def test_each_figure_of_a_failure_that_is_survived_has_its_goal(goals: ModuleType) -> None:
    quick = report(lose_site(TWO, "a"), [*steady(TOKEN), *steady(ROWS, (12, 15))])
    slow = report(lose_site(TWO, "a"), [*steady(TOKEN, (12, 22)), *steady(ROWS)])
    rows = said(goals, quick, slow)
    assert rows[f"{TOKEN}: longest gap"] == ("2", "5.5", "10.5", "5 s", "MISSED")
    assert rows[f"{TOKEN}: failed"][-2:] == ("1 %", "MISSED")
    assert rows[f"{ROWS}: longest gap"][-2:] == ("2.5 s", "MISSED")
    assert rows[f"{ROWS}: back after the repair"] == ("2", "0.0", "0.0", "", "")
    assert rows["full redundancy"] == ("2", "42.0", "42.0", "60 s", "kept")


def test_the_time_of_a_create_counts_and_of_none_that_was_answered_too(goals: ModuleType) -> None:
    made = report(lose_site(TWO, "a"), steady(CREATES, seconds=12.0))
    assert said(goals, made)[f"{CREATES}: p95 of a request"][-3:] == ("12.0", "15 s", "kept")
    none = report(lose_site(TWO, "a"), steady(CREATES, (0, 100)))
    rows = said(goals, none)
    assert rows[f"{CREATES}: p95 of a request"][-3:] == ("inf", "15 s", "MISSED")
    assert rows[f"{CREATES}: back after the repair"][1] == "inf"


def test_after_a_cold_start_the_first_token_is_counted_from_the_boot(goals: ModuleType) -> None:
    rows = said(goals, report(cold_start(TWO), steady(TOKEN, (10, 60))))
    assert rows[f"{TOKEN}: back after the repair"][1:] == ("12.2", "12.2", "60 s", "kept")
    assert rows[f"{TOKEN}: first after the boot"][1:] == ("20.2", "20.2", "60 s", "kept")
    assert rows[f"{TOKEN}: longest gap"][-2:] == ("", "")


def test_only_who_stopped_in_a_cut_refused(goals: ModuleType) -> None:
    def taken(host: str, until: float) -> list[Sample]:
        times = [n / 2 for n in range(22, 80)]
        return [Sample(host=host, began=t, ended=t + 0.1, taken=t < until) for t in times]

    samples = (*taken("ctl-a", 99), *taken("ctl-b", 24))
    rows = said(goals, report(cut(TWO, ("a", "b")), steady(ROWS), samples))
    assert rows["the minority refuses writes"] == ("1", "12.6", "12.6", "10 s", "MISSED")
    quick = report(cut(TWO, ("a", "b")), steady(ROWS), tuple(taken("ctl-a", 99)))
    assert "the minority refuses writes" not in said(goals, quick)


def test_what_never_came_is_no_number_and_kept_no_goal(goals: ModuleType) -> None:
    marks = Marks(
        broken_from=10, broken_at=11, mended_from=40, mended_at=48, whole_at=None, ended=95
    )
    told = report(lose_site(TWO, "a"), steady(TOKEN), marks=marks)
    [whole] = [m for m in goals.measured([told]) if m.what == "full redundancy"]
    assert math.isinf(whole.p95)
    assert whole.verdict == "MISSED"
    assert "MISSED" in goals.table([whole])

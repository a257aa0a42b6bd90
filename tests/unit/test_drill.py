"""What a drill makes of its requests: gaps, lost writes, two writers, a verdict, a picture."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.errors import InvalidCloud
from cloudwright.execute.drill.program.sampler import note
from cloudwright.model.load import load
from cloudwright.operations.drill.analysis import Figures, figures, longest_gap, percentile
from cloudwright.operations.drill.injury import (
    LoseHosts,
    cold_start,
    cut,
    failure_of,
    fill_disk,
    freeze_container,
    kill_container,
    lose_host,
    lose_site,
)
from cloudwright.operations.drill.picture import picture
from cloudwright.operations.drill.records import Ledger, Marks, Outcome, Request
from cloudwright.operations.drill.report import Report, plain, text
from cloudwright.operations.drill.sides import Sample, stopped_after, two_writers
from cloudwright.operations.drill.verdict import (
    CREATES,
    MESSAGES,
    ROWS,
    STREAMS,
    TOKEN,
    Limits,
    Measured,
    breaches,
    disagreements,
    unmeasured,
)
from cloudwright.operations.what_if import Forecast, forecast
from cloudwright.services import SERVICES

TWO = load(Path(__file__).parents[2] / "examples" / "two-sites.yaml")
MARKS = Marks(broken_from=10, broken_at=11, mended_from=40, mended_at=45, whole_at=60, ended=70)
times = st.floats(0, 100, allow_nan=False)


def request(began: float, outcome: Outcome = "ok", stream: str = TOKEN) -> Request:
    return Request(stream=stream, began=began, seconds=0.25, outcome=outcome)


def steady(stream: str, silent: tuple[float, float] = (0, 0)) -> list[Request]:
    """Two requests a second from 0 to 70, none answered whose begin is in `silent`."""
    begins = [number / 2 for number in range(140)]
    low, high = silent
    return [request(b, "failed" if low <= b < high else "ok", stream) for b in begins]


def measured(silent: dict[str, tuple[float, float]], marks: Marks = MARKS) -> Measured:
    requests = [r for stream in STREAMS for r in steady(stream, silent.get(stream, (0, 0)))]
    return Measured(marks=marks, figures=figures(requests, marks), ledgers=(), two_writers=None)


def foretold(*names: str) -> Forecast:
    injury = lose_site(TWO, names[0]) if len(names) == 1 else cold_start(TWO)
    return forecast(TWO, SERVICES, failure_of(TWO, injury))


@given(st.lists(times), times, times)
def test_the_longest_gap_holds_no_answer_and_no_gap_is_longer(
    ends: list[float], one: float, other: float
) -> None:
    since, until = sorted((one, other))
    gap = longest_gap(ends, since, until)
    assert not any(gap.began < end < gap.ended for end in ends)
    inside = sorted({since, until, *(e for e in ends if since <= e <= until)})
    assert gap.seconds >= max((b - a for a, b in pairwise(inside)), default=0.0)
    assert gap.ended <= until


def test_a_gap_begins_with_the_last_answer_before_the_failure() -> None:
    gap = longest_gap([1, 9, 14, 15], since=10, until=16)
    assert (gap.began, gap.ended) == (9, 14)


@given(st.lists(times, min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_that_its_share_does_not_exceed(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values)
    assert sum(v < found for v in values) <= share * len(values)
    assert math.isnan(percentile([], share))


def test_figures_of_a_stream_that_was_silent_for_ten_seconds() -> None:
    (one,) = figures(steady(TOKEN, (12, 22)), MARKS)
    assert (one.requests, one.failed) == (140, 20)
    assert one.gap.seconds == pytest.approx(10.5)
    assert one.failed_share == pytest.approx(20 / 120)
    assert one.goes_on
    assert one.back_after == 0.0


def test_a_stream_that_is_silent_till_the_repair_does_not_go_on() -> None:
    (one,) = figures(steady(TOKEN, (12, 48)), MARKS)
    assert not one.goes_on
    assert one.back_after == pytest.approx(3.25)
    (never,) = figures(steady(TOKEN, (12, 70)), MARKS)
    assert never.back_after is None


@given(st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)))
def test_a_ledger_holds_when_nothing_acknowledged_is_lost(
    acknowledged: set[int], found: set[int], removed: set[int]
) -> None:
    gone = removed - acknowledged
    ledger = Ledger(
        kind="row",
        acknowledged=frozenset(acknowledged),
        found={"here": frozenset(found)},
        removed=frozenset(gone),
    )
    assert ledger.holds == (acknowledged <= found and not gone & found)


def test_what_could_not_be_looked_for_is_not_held() -> None:
    assert not Ledger(kind="row", acknowledged=frozenset(), found={}).holds


def test_what_was_all_removed_again_is_proof_enough() -> None:
    def said(*removed: int) -> tuple[str, ...]:
        gone = frozenset(removed)
        ledger = Ledger(kind=CREATES, acknowledged=frozenset(), found={"Nova": gone}, removed=gone)
        nothing = replace(ledger, found={"Nova": frozenset()})
        return tuple(
            line
            for one in (nothing, ledger)
            for line in breaches(replace(measured({}), ledgers=(one,)), Limits(), foretold("a"))
        )

    assert said(2, 4) == (f"{CREATES}: 2 removed are back in Nova: 2, 4",)
    assert said() == (f"{CREATES}: nothing was acknowledged, so nothing is proven",) * 2


def sample(host: str, began: float, *view: str, taken: bool = True) -> Sample:
    return Sample(host=host, began=began, ended=began + 0.1, taken=taken, view=frozenset(view))


ADDRESSES = {"ctl-a": "A", "ctl-b": "B"}


def test_two_members_that_see_each_other_are_one_cluster() -> None:
    both = [sample("ctl-a", 20, "A", "B"), sample("ctl-b", 20, "A", "B")]
    assert two_writers(both, ADDRESSES, 10, 40) is None


def test_two_members_that_write_without_each_other_have_split() -> None:
    split = [sample("ctl-a", 20, "A"), sample("ctl-b", 30, "B")]
    found = two_writers(split, ADDRESSES, 10, 40)
    assert found is not None
    assert {found.one.host, found.other.host} == {"ctl-a", "ctl-b"}
    assert two_writers(split, ADDRESSES, 25, 40) is None
    refused = [sample("ctl-a", 20, "A", taken=False), sample("ctl-b", 30, "B")]
    assert two_writers(refused, ADDRESSES, 10, 40) is None


def test_how_long_a_cut_off_member_took_writes() -> None:
    seen = [sample("ctl-a", 9, "A"), sample("ctl-a", 12, "A"), sample("ctl-a", 50, "A")]
    assert stopped_after(seen, "ctl-a", 10, 40) == pytest.approx(2.1)
    assert stopped_after(seen, "ctl-b", 10, 40) == 0


def test_a_drill_in_which_nothing_was_noticed_passes() -> None:
    assert breaches(measured({}), Limits(), foretold("a")) == ()


def test_each_limit_that_is_not_kept_is_named() -> None:
    found = breaches(measured({TOKEN: (12, 22)}), Limits(), foretold("a"))
    assert len(found) == 2
    assert "10.5 s without an answer" in found[0]
    assert "16.7% failed" in found[1]


def test_a_cloud_that_is_not_whole_again_fails_the_drill() -> None:
    marks = Marks(
        broken_from=10, broken_at=11, mended_from=40, mended_at=45, whole_at=None, ended=70
    )
    assert any(
        "redundancy" in line for line in breaches(measured({}, marks), Limits(), foretold("a"))
    )


def test_the_forecast_and_what_was_measured_are_compared() -> None:
    survives, stops = foretold("a"), foretold("a", "b")
    assert (survives.survives, stops.survives) == (True, False)
    every = {stream: (10.0, 46.0) for stream in STREAMS}
    assert disagreements(measured({}), survives) == ()
    assert disagreements(measured(every), stops) == ()
    assert disagreements(measured({ROWS: (10, 46)}), survives) == (
        f"what-if: the cloud goes on; measured: no answer from {ROWS}",
    )
    late = measured({CREATES: (10, 46)})
    assert disagreements(late, survives) == ()  # a time, which has a limit of its own
    assert len(breaches(late, Limits(), survives)) == 2
    went_on = disagreements(measured({}), stops)
    assert {line.split()[1] for line in went_on} == {"mariadb", "rabbitmq"}


def test_after_a_cold_start_only_the_return_counts() -> None:
    silent = {stream: (10.0, 50.0) for stream in STREAMS}
    assert breaches(measured(silent), Limits(), foretold("a", "b")) == ()
    late = breaches(measured(silent), Limits(back=1), foretold("a", "b"))
    assert len(late) == len(STREAMS)
    assert all("after the repair" in line for line in late)


def test_an_injury_is_a_failure_of_what_if() -> None:
    assert lose_site(TWO, "a").hosts == ("ctl-a", "cmp-a")
    assert failure_of(TWO, lose_host(TWO, "witness")).up == {"ctl-a", "ctl-b", "cmp-a", "cmp-b"}
    assert failure_of(TWO, cut(TWO, ("a", "b"))).aside == {"ctl-b"}
    assert failure_of(TWO, cut(TWO, ("a",))).sides == (
        {"ctl-a", "cmp-a"},
        {"ctl-b", "cmp-b", "witness"},
    )
    assert failure_of(TWO, cold_start(TWO)).up == set()
    for hurt in (kill_container, freeze_container):
        one = hurt(TWO, "mariadb", "ctl-a")
        assert forecast(TWO, SERVICES, failure_of(TWO, one)).survives
    full = failure_of(TWO, fill_disk(TWO, "ctl-b"))
    assert full == failure_of(TWO, lose_host(TWO, "ctl-b"))
    for wrong in (
        lambda: lose_site(TWO, "c"),
        lambda: cut(TWO, ("a", "a")),
        lambda: kill_container(TWO, "mariadb", "nowhere"),
        lambda: freeze_container(TWO, "mariadb", "nowhere"),
        lambda: fill_disk(TWO, "nowhere"),
    ):
        with pytest.raises(InvalidCloud):
            wrong()


def test_what_a_sampler_has_no_space_for_is_noted_later(tmp_path: Path) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        left = note(full, b"one\n")
    with open(tmp_path / "notes", "wb", buffering=0) as file:
        assert note(file, left + b"two\n") == b""
    assert (tmp_path / "notes").read_text() == "one\ntwo\n"


def test_the_picture_is_one_that_a_reader_without_eyes_can_use() -> None:
    requests = steady(TOKEN, (12, 22)) + steady(MESSAGES)
    found: tuple[Figures, ...] = figures(requests, MARKS)
    root = ElementTree.fromstring(picture("a drill <of> a site", requests, found, MARKS))
    svg = "{http://www.w3.org/2000/svg}"
    assert root.attrib["role"] == "img"
    named = root.attrib["aria-labelledby"].split()
    parts = {e.attrib["id"]: e.text or "" for e in root.iter() if "id" in e.attrib}
    assert parts[named[0]] == "a drill <of> a site"
    assert f"{TOKEN}: longest time without an answer 10.5 s" in parts[named[1]]
    boxes = [e.attrib["class"] for e in root.iter(f"{svg}rect")]
    assert boxes.count("failed") == 20 + 1  # and one in the legend
    assert "prefers-color-scheme:dark" in (root.findtext(f"{svg}style") or "")


def creates(*ends: float, seconds: float = 6.0) -> list[Request]:
    made = ((end - seconds, seconds) for end in ends)
    return [Request(stream=CREATES, began=b, seconds=s, outcome="ok") for b, s in made]


def test_a_request_of_several_seconds_counts_by_its_end() -> None:
    (one,) = figures(creates(6, 14, 27, 47, 60), MARKS)
    assert (one.gap.began, one.gap.ended) == (27, 47)
    assert one.goes_on  # begun in the failure's first half, answered in its second
    assert one.back_after == 0.0
    (begun_before,) = figures(creates(6, 27, 52, seconds=17), MARKS)
    assert not begun_before.goes_on
    assert begun_before.back_after == pytest.approx(52 - 45)


def test_a_create_has_a_limit_of_its_own() -> None:
    others = [r for stream in STREAMS if stream != CREATES for r in steady(stream)]

    def said(*ends: float) -> tuple[str, ...]:
        found = figures([*others, *creates(*ends)], MARKS)
        one = Measured(marks=MARKS, figures=found, ledgers=(), two_writers=None)
        return breaches(one, Limits(), foretold("a"))

    assert said(9, 23, 37, 51, 65) == ()
    assert said(9, 25, 37, 51, 65) == (f"{CREATES}: 16.0 s without an answer, limit 15 s",)


def test_creates_are_left_out_where_no_host_may_run_one() -> None:
    def why(*hosts: str) -> dict[str, str]:
        injury = LoseHosts(label="", hosts=hosts)
        foretold = forecast(TWO, SERVICES, failure_of(TWO, injury))
        return unmeasured(TWO, foretold, creates=True)

    assert why("cmp-a") == why("ctl-a", "cmp-a") == {}
    assert "cmp-a, cmp-b" in why("cmp-a", "cmp-b")[CREATES]
    assert why(*(host.name for host in TWO.hosts)) == {}  # it stops, and must come back
    none = replace(TWO, hosts=TWO.hosts_with("control"))
    assert set(unmeasured(none, foretold("a"), creates=True)) == {CREATES}
    assert "--creates" in unmeasured(TWO, foretold("a"), creates=False)[CREATES]


def test_the_report_says_what_was_left_out() -> None:
    report = Report(
        name="lose-host cmp-a",
        cloud="c",
        when="",
        machine="",
        load="",
        left_out={CREATES: "no host of the cloud runs servers"},
        limits=Limits(),
        forecast=foretold("a"),
        measured=measured({}),
        wrong=(),
    )
    assert f"left out: {CREATES}, for no host of the cloud runs servers" in text(report)
    told = plain(report, (), ())
    assert isinstance(told, dict)
    assert told["left_out"] == dict(report.left_out)

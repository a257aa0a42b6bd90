"""How far apart voters may be, and how what they measured is read."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from cloudwright.execute.look.preflight import check_round_trips
from cloudwright.execute.look.round_trips import question, read
from cloudwright.model.cloud import Host, Ssh
from cloudwright.operations.round_trip import FINE, LONGEST, RETRANSMISSION, judge
from cloudwright.services.mariadb import conf

PEER = Host(name="b", address="127.0.0.1", site="s", roles=("control",), ssh=Ssh(port=1))


def test_the_limits_follow_from_the_groups_timers() -> None:
    silent = conf.KEEPALIVE + 3 * (RETRANSMISSION + FINE)
    assert silent == pytest.approx(conf.SUSPECT)
    assert round(FINE, 4) == 0.0333
    assert LONGEST == 0.2
    # A packet that is lost once never makes a healthy member suspected, not even there.
    assert conf.KEEPALIVE + RETRANSMISSION + LONGEST < conf.SUSPECT


@pytest.mark.parametrize(
    ("milliseconds", "severity", "said"),
    [
        (0.041, "ok", "0.041 ms"),
        (33.0, "ok", "33 ms"),
        (34.0, "warning", "one row changes 29 times a second at most"),
        (200.0, "warning", "one row changes 5 times a second"),
        (201.0, "error", "201 ms"),
    ],
)
def test_a_round_trip_is_fine_warned_of_or_refused(
    milliseconds: float, severity: str, said: str
) -> None:
    verdict = judge((milliseconds / 1000,))
    assert verdict.severity == severity
    assert said in verdict.text
    assert bool(verdict.hint) == (severity != "ok")


def test_one_slow_answer_is_no_distance() -> None:
    assert judge((0.9, 0.001, 0.002, 0.001, 0.7)).text == "2 ms"


def test_each_pair_is_a_finding_and_silence_is_one_too() -> None:
    found = list(check_round_trips({"a": {"b": (0.25,), "c": ()}, "b": {"c": (0.01,)}}))
    assert [(f.host, f.severity) for f in found] == [
        ("a", "error"),
        ("a", "warning"),
        ("b", "ok"),
    ]
    assert found[0].text.startswith("to b: 250 ms")
    assert "region" in found[0].hint
    assert "not known" in found[1].text


def test_what_a_host_measured_is_understood() -> None:
    others = (PEER, Host(name="c", address="10.0.0.3", site="s", roles=("witness",)))
    said = (
        "trip 127.0.0.1 0.5 ms\ntrip 127.0.0.1 700 us\nnoise\ntrip 10.0.0.9 1 ms\ntrip 10.0.0.3\n"
    )
    assert dict(read(said, others)) == {"b": (0.0005, pytest.approx(0.0007)), "c": ()}


@pytest.fixture(params=["ping", "no ping"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the programs that a host has, ping among them or not."""
    wanted = ("sh", "sed", "grep", "bash", "timeout", "ping")
    for name in wanted if request.param == "ping" else wanted[:-1]:
        if (found := shutil.which(name)) is None:
            pytest.skip(f"this machine has no {name}")
        (tmp_path / name).symlink_to(found)
    return tmp_path


def test_a_host_measures_with_what_it_has(programs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        peer = Host(name="b", address="127.0.0.1", site="s", roles=(), ssh=Ssh(port=port))
        done = subprocess.run(
            [programs / "sh", "-c", question((peer,))],
            env={"PATH": str(programs)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stderr == ""
    ((name, seconds),) = read(done.stdout, (peer,))
    assert name == "b"
    assert len(seconds) == 5
    assert all(0 < second < 5 for second in seconds)

"""Failures on purpose under load: nothing acknowledged is lost, never two sides write, and the
forecast is what happens. How long users waited is printed, and fails no test."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cloud.dashboard import logged_in
from tests.cloud.tool import Tool, eventually
from tests.ha.conftest import NETWORK

WAIT_SECONDS = "900"
VIRTUAL = f"{NETWORK}0.10"
CONTROLLERS = {"ctl-a": f"{NETWORK}0.11", "ctl-b": f"{NETWORK}0.12"}


def drilled(cloud: Tool, *words: str) -> dict[str, Any]:
    """The report of a drill, whether it kept the limits on times or not."""
    cloud.await_whole()
    process = cloud.start("drill", *words, "--wait", WAIT_SECONDS)
    said = process.communicate(timeout=1800)[0]
    print(said)
    assert process.returncode in (0, 10), said
    assert "drill (" in cloud.run("history", "--last", "1")
    assert "free" in cloud.run("lock", "status")
    newest = max((cloud.state / "drills").iterdir())
    report: dict[str, Any] = json.loads((newest / "report.json").read_text())
    return report


def safe(report: dict[str, Any]) -> None:
    """What must hold after every failure, on a machine of any speed."""
    assert report["two_writers"] is False
    for kind in report["writes"]:
        assert kind["found"], kind["kind"]
        assert kind["lost"] == {}, kind["kind"]
        assert kind["risen"] == {}, kind["kind"]
    assert report["marks"]["whole_at"] is not None
    assert report["went_on"] == report["forecast_survives"]


def test_a_site_is_lost(two_sites: Tool) -> None:
    safe(drilled(two_sites, "lose-site", "a"))


@pytest.mark.ha
@pytest.mark.parametrize(
    "words",
    [
        ("lose-site", "b"),
        ("lose-site", "w"),
        ("partition", "a"),
        ("partition", "a", "b"),
        ("partition", "a", "b", "w"),
        ("lose-host", "ctl-b"),
        ("kill-service", "mariadb"),
        ("kill-service", "rabbitmq"),
        ("kill-service", "haproxy"),
        ("freeze-service", "mariadb"),
        ("full-disk", "ctl-b"),
        ("cold-start",),
    ],
    ids=" ".join,
)
def test_a_failure(two_sites: Tool, words: tuple[str, ...]) -> None:
    safe(drilled(two_sites, *words))


@pytest.mark.ha
def test_a_login_outlives_the_controller_that_served_it(two_sites: Tool) -> None:
    """And the failure back: what either site remembers of the session is what it is now."""
    two_sites.await_whole()
    # On its card: on its loopback every controller has it.
    look = f"ip -o address | grep -w {VIRTUAL} | grep -cvw lo || true"
    with logged_in(two_sites, VIRTUAL) as session:
        for _ in CONTROLLERS:
            assert session.state() == "in"
            (holder,) = (
                name for name, address in CONTROLLERS.items() if int(two_sites.at(address, look))
            )
            two_sites.run("lab", "kill", holder)
            eventually(
                lambda: session.state() in ("in", "out"), seconds=300, what=f"{holder}'s address"
            )
            assert session.state() == "in"
            two_sites.run("lab", "boot", holder)
            two_sites.await_whole()

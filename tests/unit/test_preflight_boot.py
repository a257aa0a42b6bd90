"""A host whose engine would not start its containers after a power cut is refused beforehand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cloudwright.execute.look.preflight import HostFinding, check_boot
from cloudwright.model.cloud import Host
from cloudwright.model.facts import Facts

HOST = Host(name="b", address="192.0.2.1", site="s", roles=("control",))


def findings(engine: str, units: Mapping[str, str]) -> list[HostFinding]:
    return list(check_boot(HOST, Facts(host="b", engine=engine), units))


@pytest.mark.parametrize(
    ("engine", "units", "off"),
    [
        ("podman", {"podman-restart.service": "enabled", "podman.socket": "enabled"}, []),
        ("podman", {"podman-restart.service": "enabled", "podman.service": "enabled"}, []),
        (
            "podman",
            {"podman-restart.service": "enabled", "podman.socket": "static"},
            ["podman.socket"],
        ),
        (
            "podman",
            {"podman-restart.service": "disabled", "podman.socket": "enabled"},
            ["podman-restart.service"],
        ),
        (
            "podman",
            {"podman-restart.service": "enabled-runtime", "podman.socket": "", "x": "enabled"},
            ["podman-restart.service", "podman.socket"],
        ),
        ("docker", {"docker.service": "enabled", "podman.socket": "disabled"}, []),
        ("docker", {"docker.service": "masked"}, ["docker.service"]),
    ],
)
def test_what_a_boot_needs_is_enabled(
    engine: str, units: Mapping[str, str], off: list[str]
) -> None:
    [found] = findings(engine, units)
    assert found.severity == ("error" if off else "ok")
    assert bool(found.hint) == bool(off)
    assert [unit for unit in units if unit in found.text] == [u for u in off if u in units]
    assert all(unit in found.hint for unit in off)


def test_a_host_without_systemd_is_not_judged() -> None:
    assert findings("podman", {}) == []

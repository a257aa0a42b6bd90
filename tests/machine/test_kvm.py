"""The guest that proves KVM says yes when it runs, and nothing else does; `make ready` built QEMU.

It is emulated here, so that these tests need no KVM: the same script, sector and status.
"""

from __future__ import annotations

import pytest

from cloudwright.execute.host.kvm import ACCELERATOR, PROBE_SECONDS, SCRIPT
from tests.machine.kolla import image, podman

EMULATED = SCRIPT.replace(ACCELERATOR, "-accel tcg")
PATIENT = EMULATED.replace(f"KILL {PROBE_SECONDS} ", "KILL 300 ")
"""A busy machine may take its time to emulate."""


def run(script: str, code: int) -> None:
    """Run the script where a host does, and see that it ends with this status."""
    podman(
        *("run", "--rm", "--runtime", "runc", "--network", "none", "--user", "root"),
        *("--entrypoint", "bash", image("nova-libvirt"), "-c", script),
        code=code,
    )


def test_a_guest_that_runs_says_so() -> None:
    assert SCRIPT != EMULATED != PATIENT
    run(PATIENT, code=0)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        pytest.param(r"\125\252", r"\125\125", id="a sector that is not booted"),
        pytest.param(r"\260\020", r"\260\021", id="a guest that says something else"),
        pytest.param(r"\356\364", r"\364\364", id="a guest that halts and says nothing"),
        pytest.param("-accel tcg", "-accel none-such", id="a machine that does not start"),
    ],
)
def test_nothing_else_does(was: str, now: str) -> None:
    assert EMULATED.count(was) == 1
    run(EMULATED.replace(was, now), code=1)

"""What the doctor concludes from facts, and how a finding reads."""

from cloudwright.execute.doctor.finding import Finding, Fix, install_command
from cloudwright.execute.doctor.machine import GIB, usable_memory
from cloudwright.execute.look.engine import reasons, settings_for

HYBRID = {"cgroup": "1", "systemd": "no", "files": "20000", "processes": "96365"}
ORDINARY = {"cgroup": "2", "systemd": "yes", "files": "1048576", "processes": "unlimited"}


def test_an_old_cgroup_tree_takes_runc() -> None:
    text = settings_for(HYBRID)
    assert 'runtime = "runc"' in text
    assert 'cgroup_manager = "cgroupfs"' in text
    assert 'events_logger = "file"' in text


def test_limits_are_never_above_what_the_machine_allows() -> None:
    assert '"nofile=20000:20000", "nproc=32768:32768"' in settings_for(HYBRID)
    assert '"nproc=1000:1000"' in settings_for({**HYBRID, "processes": "1000"})
    assert '"nofile=1048576:1048576"' in settings_for(ORDINARY)


def test_a_machine_with_systemd_keeps_its_own_engine_settings() -> None:
    assert "[engine]" not in settings_for(ORDINARY)


def test_every_reason_is_told_and_none_that_is_not_there() -> None:
    assert len(reasons(HYBRID)) == 3
    assert reasons(ORDINARY) == ()


def test_a_finding_says_what_why_and_the_cure() -> None:
    ill = Finding(
        name="tun",
        severity="error",
        text="no /dev/net/tun",
        why="instances need it",
        cure="modprobe tun",
        fix=Fix(commands=("modprobe tun",)),
    )
    assert ill.is_error and ill.can_fix
    assert str(ill).splitlines() == [
        "✗ tun: no /dev/net/tun",
        "    instances need it",
        "    cure: modprobe tun",
        "    `cloudwright doctor --fix` does that",
    ]


def test_what_is_well_is_one_line() -> None:
    well = Finding(name="tun", severity="ok", text="/dev/net/tun", why="instances need it")
    assert well.is_well and not well.can_fix
    assert str(well) == "✓ tun: /dev/net/tun"


def test_packages_are_installed_without_questions() -> None:
    command = install_command(("b", "a"))
    assert "noninteractive" in command
    assert command.endswith("-qq a b")


def test_a_container_has_the_memory_that_it_is_given() -> None:
    boundless = "9223372036854771712"  # what the first version says of no limit
    assert usable_memory(24 * GIB, []) == 24 * GIB
    assert usable_memory(24 * GIB, ["max"]) == 24 * GIB
    assert usable_memory(24 * GIB, [boundless]) == 24 * GIB
    assert usable_memory(24 * GIB, [str(8 * GIB)]) == 8 * GIB
    assert usable_memory(4 * GIB, ["max", str(8 * GIB)]) == 4 * GIB

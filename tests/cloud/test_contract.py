"""A plan is a contract, a lock is one, and every run is remembered: on a real cloud."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator

import pytest

from tests.cloud.tool import Tool, changed, on_terminal

NOW_SECONDS = 20
"""Shorter than an API takes to become healthy, on a busy machine too."""
HORIZON, KEYSTONE = "horizon", "keystone-api"


def stop(cloud: Tool, *containers: str) -> None:
    cloud.on_host(f"podman stop --time 2 {' '.join(containers)}")


@pytest.fixture(autouse=True)
def whole_again(cloud: Tool) -> Iterator[None]:
    """Whatever a test leaves, the next one finds a whole cloud that nobody holds."""
    yield
    cloud.run("apply", "--yes")


def until_begun(process: subprocess.Popen[str]) -> None:
    """Wait until a run that was started has begun its first step."""
    assert process.stdout
    assert any(" begins " in line for line in process.stdout)


def test_a_plan_file_is_done_once_and_refused_when_something_moved(cloud: Tool) -> None:
    stop(cloud, HORIZON)
    cloud.run("plan", "--out", "change.json", status=10)
    file = cloud.directory / "change.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    stop(cloud, "memcached")
    refused = cloud.run("apply", "change.json", status=3)
    assert "something has moved since" in refused
    assert ": as declared → is exited, not running" in refused
    cloud.on_host("podman start memcached")
    before = cloud.starts()
    cloud.run("apply", "change.json")
    assert changed(before, cloud.starts()) == {HORIZON}
    assert "something has moved since" in cloud.run("apply", "change.json", status=3)

    edited = cloud.directory / "edited.json"
    edited.write_text(file.read_text().replace(HORIZON, "glance-api"))
    assert "was changed after it was made" in cloud.run("apply", "edited.json", status=3)


def test_a_part_takes_along_what_it_needs_and_leaves_the_rest(cloud: Tool) -> None:
    stop(cloud, "memcached", "glance-api", HORIZON)
    said = cloud.run("apply", "--yes", "--only", "glance")
    assert "only glance; taken along, since it needs them: memcached" in said
    assert [id.partition("@")[0] for id in cloud.plan()] == ["horizon/horizon"]


def test_apply_shows_the_plan_and_asks(cloud: Tool) -> None:
    stop(cloud, HORIZON)
    code, shown = on_terminal(cloud, "n\n", "apply")
    assert (code, "nothing was touched" in shown) == (1, True)
    assert "~ horizon@" in shown
    assert list(cloud.plan())
    code, shown = on_terminal(cloud, "y\n", "apply")
    assert code == 0, shown
    assert cloud.plan() == {}


def test_two_at_once_and_the_one_that_was_killed(cloud: Tool) -> None:
    stop(cloud, KEYSTONE, HORIZON)
    first = cloud.start("apply", "--yes", "--reason", "the first")
    until_begun(first)
    first.send_signal(signal.SIGSTOP)  # else it may end before the second one asks
    refused = cloud.run("apply", "--yes", status=5)
    assert f"process {first.pid}" in refused
    assert "apply (the first)" in refused
    assert f"process {first.pid}" in cloud.run("lock", "status", status=5)
    assert "running" in cloud.run("history")
    first.kill()
    first.wait()
    said = cloud.run("apply", "--yes")
    assert "takes over from a run that has ended without letting go" in said
    assert "free" in cloud.run("lock", "status")
    assert " killed " in cloud.run("history")


def test_a_lock_is_broken_by_whoever_says_so(cloud: Tool) -> None:
    stop(cloud, KEYSTONE, HORIZON)
    first = cloud.start("apply", "--yes")
    until_begun(first)
    first.kill()
    first.wait()
    assert "nothing was touched" in cloud.run("lock", "break", "--name", "another", status=2)
    assert "free" in cloud.run("lock", "break", "--yes", "--reason", "it was lost")
    assert "there is nothing to break" in cloud.run("lock", "break", "--yes")
    assert "lock break (it was lost)" in cloud.run("history")


def test_ctrl_c_says_what_is_left_and_lets_the_lock_go(cloud: Tool) -> None:
    stop(cloud, KEYSTONE, HORIZON)
    process = cloud.start("apply", "--yes")
    until_begun(process)
    os.kill(process.pid, signal.SIGINT)
    rest, _ = process.communicate()
    assert process.returncode == 130, rest
    assert "interrupted: goes on to its end: " in rest
    assert "not begun: " in rest
    assert "free" in cloud.run("lock", "status")
    assert " interrupted " in cloud.run("history")


def test_ctrl_c_twice_stops_now_and_the_next_apply_makes_it_whole(cloud: Tool) -> None:
    stop(cloud, KEYSTONE, HORIZON)
    process = cloud.start("apply", "--yes")
    until_begun(process)
    assert process.stdout
    os.kill(process.pid, signal.SIGINT)
    assert any("interrupted: goes on to its end: " in line for line in process.stdout)
    os.kill(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=NOW_SECONDS)
    assert process.returncode == 130, rest
    assert "stopped in the middle: " in rest
    assert "free" in cloud.run("lock", "status")
    assert cloud.plan()
    cloud.run("apply", "--yes")
    assert cloud.plan() == {}


def test_every_run_is_remembered_on_the_host_and_explained(cloud: Tool) -> None:
    stop(cloud, HORIZON)
    cloud.run("apply", "--yes", "--reason", "to be found again")
    run = max(path.name for path in (cloud.state / "runs").iterdir())
    record = json.loads(cloud.on_host(f"cat /var/lib/cloudwright/ledger/runs/{run}.json"))
    assert (record["verb"], record["result"], record["done"]) == ("apply", "done", 1)
    modes = cloud.on_host("stat -c %a /var/lib/cloudwright/ledger/runs/*").split()
    assert set(modes) == {"600"}
    here = cloud.state / "runs" / run
    elsewhere = here.rename(here.with_name("moved-away"))
    try:
        told = cloud.run("history", run)
        assert "apply (to be found again)" in told
        assert "horizon/horizon@" in told
        assert "critical path" in cloud.run("explain", run[-4:])
    finally:
        elsewhere.rename(here)

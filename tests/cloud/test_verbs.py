"""What one does with a cloud that runs: look into containers, read logs, boot one's own image."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from cloudwright.execute.sample.guest import make_guest
from cloudwright.transport.local import LocalHost
from tests.cloud.tool import ADDRESS, Tool, eventually, on_terminal

GLANCE_IMAGE = "localhost/cloudwright/glance:2026.2"


def test_shell_runs_a_command_and_hands_over_input_and_exit_code(cloud: Tool) -> None:
    pipe = subprocess.PIPE
    process = cloud.start("shell", "memcached", "cat", stdin=pipe, stderr=pipe)
    assert process.communicate("one\ntwo\n", timeout=60)[0] == "one\ntwo\n"
    assert cloud.run("shell", "memcached", "--", "sh", "-c", "id -un; exit 7", status=7)
    root = cloud.run("shell", "-u", "root", "memcached@aio", "--", "id", "-u")
    assert root.split()[-1] == "0"


def test_shell_without_a_command_is_a_shell_on_the_terminal(cloud: Tool) -> None:
    typed = "tty; hostname; echo $((6*7)); exit 3\n"
    code, shown = on_terminal(cloud, typed, "shell", "glance-api")
    assert code == 3, shown
    assert "/dev/pts/" in shown
    assert "\naio\r\n" in shown
    assert "\n42\r\n" in shown


def test_a_container_that_is_not_there_is_told_with_what_was_meant(cloud: Tool) -> None:
    for verb in ("shell", "logs"):
        said = cloud.run(verb, "glance-apy", status=4)
        assert "no host has a container called 'glance-apy'" in said
        assert "did you mean glance-api" in said


def test_logs_shows_the_last_lines(cloud: Tool) -> None:
    lines = cloud.run("logs", "keystone-api", "-n", "3").splitlines()
    assert len(lines) == 3
    everything = cloud.run("logs", "keystone-api").splitlines()
    assert len(everything) > 3


def test_logs_follows_as_lines_come(cloud: Tool) -> None:
    process = cloud.start("logs", "-f", "-n", "0", "keystone-api", stderr=subprocess.PIPE)
    stdout = process.stdout
    assert stdout
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(iter(stdout.readline, "")))
    reader.start()

    def heard() -> bool:
        # Its server notes each request that it refuses; those before it listened are not shown.
        httpx.get(f"https://{ADDRESS}:5000/nothing-here", verify=False, trust_env=False)
        return any("/nothing-here" in line for line in seen)

    try:
        eventually(heard, seconds=60, what="a line of what is asked meanwhile")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        reader.join(60)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130, errors


@pytest.fixture
def qcow2(cloud: Tool, tmp_path: Path) -> Path:
    """The project's own guest as a cloud image that one may have from elsewhere."""
    raw = asyncio.run(make_guest(LocalHost(), cloud.state / "guest", print))
    argv = ["podman", "run", "--rm", "--network=none", "--user=root", "--entrypoint=qemu-img"]
    argv += [f"--volume={raw}:/in:ro", f"--volume={tmp_path}:/out", GLANCE_IMAGE]
    subprocess.run([*argv, "convert", "-O", "qcow2", "/in", "/out/guest.qcow2"], check=True)
    return tmp_path / "guest.qcow2"


@pytest.mark.long
def test_smoke_boots_an_image_of_ones_own(cloud: Tool, qcow2: Path) -> None:
    output = cloud.run("smoke", "--keep", "--image", str(qcow2), "--user", "cloud")
    assert "log in:" in output
    [image] = cloud.openstack("image", "list", "--long")
    assert image["Disk Format"] == "qcow2"
    assert len(cloud.qemu_processes()) == 1


def test_smoke_refuses_what_is_no_image(cloud: Tool, tmp_path: Path) -> None:
    said = cloud.run("smoke", "--image", str(tmp_path / "none.img"), status=2)
    assert "none.img" in said

"""What several files of these tests begin with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudwright.services.haproxy import MASTER, RELOAD_PATH, service
from tests.cloud.tool import eventually
from tests.contract.sshd import free_port
from tests.machine.balancer import CONFIG, IMAGE, Rig
from tests.machine.bench import Bench, bench_in, description


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lab host for the module."""
    with bench_in(tmp_path_factory.mktemp("bench"), description("aio")) as bench:
        yield bench


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    there = subprocess.run(["podman", "image", "exists", IMAGE], check=False)
    if there.returncode:
        pytest.skip(f"{IMAGE} is not built")
    ports = {"h0": free_port(), "h1": free_port()}
    front = free_port()
    (tmp_path / "haproxy.cfg").write_text(CONFIG.format(front=front, **ports))
    container = service.containers[0]
    assert container.reload and container.reload.command == (RELOAD_PATH,)
    program = Path(__file__).parents[2] / "src/cloudwright/services/haproxy/program/reload.py"
    name = f"cloudwright-test-balancer-{os.getpid()}"
    run = ["podman", "run", "-d", "--rm", "--name", name, "--network=host", "--entrypoint=haproxy"]
    run += [f"--volume={tmp_path}:/etc/haproxy:ro", f"--volume={program}:{RELOAD_PATH}:ro"]
    run += ["--user=root", IMAGE, "-W", "-db", "-S", MASTER, "-f", "/etc/haproxy/haproxy.cfg"]
    subprocess.run(run, check=True, capture_output=True)
    rig = Rig(container=name, front=front, ports=ports, directory=tmp_path)
    test = ["podman", "exec", name, "test", "-S", MASTER.partition(",")[0]]
    try:
        eventually(
            lambda: subprocess.run(test, check=False).returncode == 0, seconds=60, what="a start"
        )
        yield rig
    finally:
        subprocess.run(["podman", "rm", "-f", "-t", "0", name], capture_output=True, check=True)

"""The shell that looks for a sign of life, run by a real shell on a machine without `ping`."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

from cloudwright.execute.look.life import KNOCK


def alive(folder: Path, address: str, port: int) -> bool:
    for name in ("bash", "timeout"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    done = subprocess.run(
        ["/bin/sh", "-c", KNOCK.format(address=address, port=port)],
        env={"PATH": str(folder)},
        check=False,
        timeout=30,
    )
    return done.returncode == 0


def test_a_port_that_takes_us_is_a_sign_of_life(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert alive(tmp_path, "127.0.0.1", server.getsockname()[1])


def test_a_port_that_refuses_us_is_one_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    assert alive(tmp_path, "127.0.0.1", closed)


def test_silence_is_none(tmp_path: Path) -> None:
    """A port whose queue is full, so that the kernel answers nobody; no network gives silence for
    certain, there are some where a proxy answers for the whole world."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        assert not alive(tmp_path, "127.0.0.1", server.getsockname()[1])

"""Commands over SSH, against a real sshd."""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import time
from pathlib import Path

import pytest

from cloudwright.errors import CommandFailed, Unreachable
from cloudwright.transport.host import File
from cloudwright.transport.ssh import SshHost

from . import sshd as servers
from .ssh_tests import connected, go, with_host
from .sshd import Sshd

pytestmark = [
    pytest.mark.skipif(bool(servers.missing()), reason=servers.missing() or "never"),
    pytest.mark.filterwarnings("error"),
]


def test_a_command_leaves_status_and_both_streams(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        done = await host.run("echo out; echo err >&2; exit 3", check=False)
        assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")
        assert (await host.run("printf no-newline")).stdout == "no-newline"
        assert (await host.run("id -u")).stdout == "0\n"

    with_host(sshd, test)


def test_a_failing_command_raises_with_its_output(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        with pytest.raises(CommandFailed) as caught:
            await host.run("echo because >&2; false")
        assert caught.value.exit_status == 1
        assert "because" in str(caught.value)
        assert caught.value.where == "ctl-a1"

    with_host(sshd, test)


@pytest.mark.parametrize(
    "command",
    ["echo 'unfinished", "if then", "exit 7", "cd /; exec false", "}", ")", "kill -9 $PPID || :"],
)
def test_no_command_harms_the_next_one(sshd: Sshd, command: str) -> None:
    async def test(host: SshHost) -> None:
        await host.run("pwd")
        if "PPID" not in command:
            await host.run(command, check=False)
        assert (await host.run("pwd; echo $?")).stdout == "/root\n0\n"
        assert (await host.run("echo it\\'s \"$((1 + 1))\" 'a  b'")).stdout == "it's 2 a  b\n"

    with_host(sshd, test)


@pytest.mark.parametrize("size", [1, 4096, 70_000, 5_000_000])
def test_stdin_arrives_byte_for_byte(sshd: Sshd, size: int) -> None:
    data = os.urandom(size)

    async def test(host: SshHost) -> None:
        done = await host.run("sha256sum", stdin=data)
        assert done.stdout.split()[0] == hashlib.sha256(data).hexdigest()
        # What a command leaves unread must not become the next command.
        assert (
            await host.run("head -c 1 >/dev/null; exit 4", stdin=data, check=False)
        ).status == 4
        assert (await host.run("echo still here")).stdout == "still here\n"

    with_host(sshd, test)


def test_much_output_arrives_whole(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        done = await host.run("seq 300000")
        assert done.stdout == "".join(f"{n}\n" for n in range(1, 300001))

    with_host(sshd, test)


def test_commands_run_side_by_side(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        start = time.monotonic()
        done = await asyncio.gather(*(host.run(f"sleep 0.3; echo {n}") for n in range(6)))
        assert [d.stdout for d in done] == [f"{n}\n" for n in range(6)]
        print(f"six sleeps of 0.3 s took {time.monotonic() - start:.2f} s")
        done = await asyncio.gather(*(host.run(f"echo {n}") for n in range(50)))
        assert [d.stdout for d in done] == [f"{n}\n" for n in range(50)]

    with_host(sshd, test)


def test_a_command_that_hangs_is_killed_with_its_children(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        with pytest.raises(CommandFailed) as caught:
            await host.run("echo begun; (sleep 4242) & sleep 4243", timeout=0.3)
        assert "begun" in caught.value.output
        assert "0.3 s" in caught.value.hint
        left = await host.run("pgrep -f 'sleep 424[23]'", check=False)
        assert left.stdout == ""

    with_host(sshd, test)


def test_a_cancelled_command_is_killed(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        task = asyncio.create_task(host.run("sleep 4244"))
        while not (await host.run("pgrep -f 'sleep 424[4]'", check=False)).stdout:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await host.run("pgrep -f 'sleep 424[4]'", check=False)).stdout == ""

    with_host(sshd, test)


def test_a_host_that_dies_is_unreachable(tmp_path: Path) -> None:
    async def test() -> None:
        with servers.running(tmp_path) as server:
            async with connected(server.address()) as host:
                running = asyncio.create_task(host.run("sleep 60"))
                await host.run("true")
                server.kill()
                with pytest.raises(Unreachable, match="connection to ctl-a1 was lost"):
                    await running
                with pytest.raises(Unreachable):
                    await host.run("true")
                with pytest.raises(Unreachable):
                    await host.put([File(path=f"{tmp_path}/file", content=b"")])
                with pytest.raises(Unreachable):
                    await host.unix_socket("/run/some.sock")

    go(test)
    assert not (tmp_path / "file").exists()


def test_two_hundred_commands_are_fast(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        times = []
        for _ in range(200):
            start = time.perf_counter()
            await host.run("true")
            times.append(time.perf_counter() - start)
        print(f"one command: {statistics.median(times) * 1000:.2f} ms (median of 200)")

    with_host(sshd, test)

"""The SSH transport against a real sshd."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cloudwright.errors import CommandFailed, Missing, Unreachable
from cloudwright.transport.host import File
from cloudwright.transport.ssh import SshAddress, SshHost, connect_ssh

from . import sshd as servers
from .sshd import Sshd

pytestmark = [
    pytest.mark.skipif(bool(servers.missing()), reason=servers.missing() or "never"),
    pytest.mark.filterwarnings("error"),
]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One server for all tests that leave it alive."""
    with servers.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def go(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test to its end and see that it left no task behind."""

    async def run() -> None:
        await test()
        await asyncio.sleep(0)
        left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        assert left == []

    asyncio.run(run(), debug=False)
    gc.collect()


@contextlib.asynccontextmanager
async def connected(address: SshAddress) -> AsyncIterator[SshHost]:
    """A host that is let go at the end."""
    host = await connect_ssh("ctl-a1", address, timeout=5)
    try:
        yield host
    finally:
        await host.close()


def with_host(sshd: Sshd, test: Callable[[SshHost], Awaitable[None]]) -> None:
    """Run `test` with a connected host."""

    async def run() -> None:
        async with connected(sshd.address()) as host:
            await test(host)

    go(run)


def refused(address: SshAddress) -> Unreachable:
    """The error that connecting ends with."""
    errors: list[Unreachable] = []

    async def run() -> None:
        with pytest.raises(Unreachable) as caught:
            await connect_ssh("ctl-a1", address, timeout=2)
        errors.append(caught.value)

    go(run)
    print(errors[0])
    return errors[0]


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


def test_put_writes_content_mode_owner_and_parents(sshd: Sshd, tmp_path: Path) -> None:
    binary = os.urandom(3000)
    files = [
        File(path=f"{tmp_path}/open/deep/a.conf", content=b"a\n", mode=0o644),
        File(
            path=f"{tmp_path}/open/deep/it's b", content=binary, mode=0o600, owner="daemon:42424"
        ),
        File(path=f"{tmp_path}/secret/key", content=b"", mode=0o400),
    ]

    async def test(host: SshHost) -> None:
        await host.put(files)
        await host.put([])
        assert await host.get(files[1].path) == binary

    with_host(sshd, test)
    for file in files:
        assert Path(file.path).read_bytes() == file.content
        assert Path(file.path).stat().st_mode & 0o7777 == file.mode
    assert Path(files[1].path).owner() == "daemon"
    assert Path(files[1].path).stat().st_gid == 42424
    assert (tmp_path / "open/deep").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o700
    assert len(list((tmp_path / "open/deep").iterdir())) == 2


def test_put_replaces_atomically(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "file"
    size = 2_000_000
    contents = [bytes([65 + n]) * size for n in range(6)]
    torn: list[int] = []

    async def watch() -> None:
        while True:
            if path.exists():
                content = path.read_bytes()
                if len(content) != size or content.count(content[:1]) != size:
                    torn.append(len(content))
            await asyncio.sleep(0)

    async def test(host: SshHost) -> None:
        watcher = asyncio.create_task(asyncio.to_thread(asyncio.run, stoppable()))
        for content in contents:
            await host.put([File(path=str(path), content=content)])
        stop.append(True)
        await watcher

    stop: list[bool] = []

    async def stoppable() -> None:
        task = asyncio.create_task(watch())
        while not stop:
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with_host(sshd, test)
    assert torn == []
    assert path.read_bytes() == contents[-1]


def test_put_that_fails_changes_nothing(sshd: Sshd, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("old")

    async def test(host: SshHost) -> None:
        with pytest.raises(CommandFailed):
            await host.put(
                [
                    File(path=str(old), content=b"new"),
                    File(path=f"{old}/below-a-file", content=b""),
                ]
            )
        with pytest.raises(CommandFailed, match="put 1 files") as caught:
            await host.put([File(path=str(old), content=b"new", owner="nobody-here:root")])
        assert "nobody-here" in caught.value.output

    with_host(sshd, test)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_get_of_nothing_is_missing(sshd: Sshd, tmp_path: Path) -> None:
    async def test(host: SshHost) -> None:
        with pytest.raises(Missing, match="no such file"):
            await host.get(f"{tmp_path}/nothing")

    with_host(sshd, test)


def test_sockets_are_forwarded(sshd: Sshd, tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def ask(path: Path) -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"hello")
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def test(host: SshHost) -> None:
        unix = await asyncio.start_unix_server(echo, tmp_path / "far.sock")
        tcp = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = tcp.sockets[0].getsockname()[1]
        for path in (
            await host.unix_socket(f"{tmp_path}/far.sock"),
            await host.tcp_socket("127.0.0.1", port),
        ):
            assert await ask(path) == b"HELLO"
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            paths.append(path)
        assert await host.tcp_socket("127.0.0.1", port) == paths[1]
        assert await ask(await host.unix_socket(f"{tmp_path}/nothing.sock")) == b""
        for server in (unix, tcp):
            server.close()
            await server.wait_closed()

    paths: list[Path] = []
    with_host(sshd, test)
    assert not paths[0].exists()
    assert not paths[0].parent.exists()


def test_a_wrong_key_is_told(sshd: Sshd) -> None:
    error = refused(sshd.address(key_file=sshd.directory / "stranger"))
    assert "does not let us in" in error.what
    assert "authorized_keys" in error.hint


def test_no_key_file_is_told(sshd: Sshd) -> None:
    error = refused(sshd.address(key_file=sshd.directory / "nothing"))
    assert "key for ctl-a1 cannot be read" in error.what


def test_an_unknown_host_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    error = refused(sshd.address(known_hosts=tmp_path / "none"))
    assert "host key of ctl-a1 is not known" in error.what
    assert "SHA256:" in error.why


def test_a_changed_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    servers.known_host(tmp_path / "known", sshd.port, sshd.directory / "stranger.pub")
    error = refused(sshd.address(known_hosts=tmp_path / "known"))
    assert "host key of ctl-a1 has changed" in error.what
    assert "ssh-keygen -R" in error.hint


def test_a_closed_port_is_told(sshd: Sshd) -> None:
    assert "refuses" in refused(sshd.address(port=servers.free_port())).what


def test_an_unknown_name_is_told(sshd: Sshd) -> None:
    assert "DNS" in refused(sshd.address(host="no-such-host.invalid")).what


def test_a_silent_port_is_told(sshd: Sshd) -> None:
    async def test() -> None:
        gone = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            gone.set()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="does not answer"):
            await connect_ssh("ctl-a1", sshd.address(port=port), timeout=0.5)
        await gone.wait()
        server.close()
        await server.wait_closed()

    go(test)


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


@pytest.fixture
def person(sshd: Sshd) -> Iterator[str]:
    """A user of this machine who is not root, made for one test."""
    if shutil.which("sudo") is None:
        pytest.skip("sudo is not installed")
    name = f"cwtest{os.getpid()}"
    useradd = ["useradd", "--create-home", "--shell", "/bin/sh", "--password", "*", name]
    subprocess.run(useradd, check=True)
    rule = Path(f"/etc/sudoers.d/{name}")
    try:
        keys = Path(f"~{name}/.ssh/authorized_keys").expanduser()
        keys.parent.mkdir()
        shutil.copy(sshd.directory / "user.pub", keys)
        keys.chmod(0o644)
        yield name
    finally:
        rule.unlink(missing_ok=True)
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


def test_a_user_without_sudo_is_told(sshd: Sshd, person: str) -> None:
    error = refused(sshd.address(user=person))
    assert f"{person} may not become root" in error.what
    assert "sudo" in error.hint


def test_a_user_with_sudo_does_all_as_root(sshd: Sshd, person: str, tmp_path: Path) -> None:
    Path(f"/etc/sudoers.d/{person}").write_text(f"{person} ALL=(ALL) NOPASSWD: ALL\n")
    secret = tmp_path / "private" / "file"

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    async def ask(path: Path, word: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(word)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def test() -> None:
        server = await asyncio.start_unix_server(shout, tmp_path / "root.sock")
        (tmp_path / "root.sock").chmod(0o600)
        before = set(Path("/run").glob("cloudwright-*"))
        async with connected(sshd.address(user=person)) as host:
            assert (await host.run("id -u; cat", stdin=b"in")).stdout == "0\nin"
            await host.put([File(path=str(secret), content=b"secret", mode=0o600)])
            assert await host.get(str(secret)) == b"secret"
            path = await host.unix_socket(f"{tmp_path}/root.sock")
            words = [b"%d" % n + b"x" * 300_000 for n in range(5)]
            answers = await asyncio.gather(*(ask(path, word) for word in words))
            assert answers == [word.upper() for word in words]
            with pytest.raises(CommandFailed, match="ended with 124"):
                await host.run("sleep 4247", timeout=0.3)
            assert (await host.run("pgrep -f 'sleep 424[7]'", check=False)).stdout == ""
        server.close()
        await server.wait_closed()
        assert set(Path("/run").glob("cloudwright-*")) == before

    go(test)
    assert secret.stat().st_uid == 0


def test_two_hundred_commands_are_fast(sshd: Sshd) -> None:
    async def test(host: SshHost) -> None:
        times = []
        for _ in range(200):
            start = time.perf_counter()
            await host.run("true")
            times.append(time.perf_counter() - start)
        print(f"one command: {statistics.median(times) * 1000:.2f} ms (median of 200)")

    with_host(sshd, test)

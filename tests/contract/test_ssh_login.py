"""Every way of not getting in by SSH has words of its own, and root is not the only way in."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudwright.errors import CommandFailed, Unreachable
from cloudwright.transport.host import File
from cloudwright.transport.ssh import connect_ssh

from . import sshd as servers
from .ssh_tests import connected, go, refused
from .sshd import Sshd

pytestmark = [
    pytest.mark.skipif(bool(servers.missing()), reason=servers.missing() or "never"),
    pytest.mark.filterwarnings("error"),
]


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

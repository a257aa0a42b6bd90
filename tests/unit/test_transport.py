"""What goes to a host, before it goes."""

from __future__ import annotations

import asyncio
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from cloudwright.errors import Unreachable
from cloudwright.transport import archive
from cloudwright.transport.host import File, private_directories
from cloudwright.transport.ssh import SshAddress, connect_ssh

FILES = [
    File(path="/etc/cloudwright/it's/a.conf", content=b"a", mode=0o640, owner="root:42"),
    File(path="/etc/cloudwright/keys/b", content=b"b", mode=0o600, owner="nova:nova"),
]


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/", "", "/a\0b"])
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not an absolute path"):
        File(path=path, content=b"")


@pytest.mark.parametrize("owner", ["root", "", ":", "a:b:c", "root:"])
def test_an_owner_is_user_and_group(owner: str) -> None:
    with pytest.raises(ValueError, match="not user:group"):
        File(path="/a", content=b"", owner=owner)


def test_a_directory_is_private_when_all_in_it_is() -> None:
    assert private_directories(FILES) == {
        "/etc/cloudwright/it's": False,
        "/etc/cloudwright/keys": True,
    }


def test_the_archive_holds_every_file_beside_its_place() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive.pack(FILES, "t0"))) as packed:
        seen = [(m.name, m.mode, m.uname, m.gid, m.gname) for m in packed.getmembers()]
    assert seen == [
        ("etc/cloudwright/it's/.cloudwright-t0/a.conf", 0o640, "root", 42, ""),
        ("etc/cloudwright/keys/.cloudwright-t0/b", 0o600, "nova", 0, "nova"),
    ]


def test_a_broken_stream_renames_nothing(tmp_path: Path) -> None:
    old = tmp_path / "it's a"
    old.write_bytes(b"old")
    files = [
        File(path=str(old), content=b"n" * 9000),
        File(path=f"{tmp_path}/b", content=b"n" * 9000),
    ]
    whole = archive.pack(files, "t1")
    command = archive.unpack_command(files, "t1")
    # Also just after the first file, where tar itself sees nothing wrong.
    for length in (0, 511, 512 + 4000, 512 + 9216, 512 + 9216 + 512, len(whole) // 2 + 512):
        done = subprocess.run(
            ["/bin/sh", "-c", command], input=whole[:length], capture_output=True, check=False
        )
        assert done.returncode != 0, length
        assert old.read_bytes() == b"old", length
        assert list(tmp_path.iterdir()) == [old], length
    subprocess.run(["/bin/sh", "-c", command], input=whole, check=True)
    assert old.read_bytes() == (tmp_path / "b").read_bytes() == b"n" * 9000


def test_a_key_that_is_not_there_is_named_as_in_the_file(tmp_path: Path) -> None:
    address = SshAddress(host="127.0.0.1", user="root", key_file=tmp_path / "none")
    with pytest.raises(Unreachable, match="the SSH key for ctl-1 cannot be read") as caught:
        asyncio.run(connect_ssh("ctl-1", address))
    assert caught.value.why == f"{tmp_path / 'none'}: no such file or directory"
    assert "`ssh.key`" in caught.value.hint

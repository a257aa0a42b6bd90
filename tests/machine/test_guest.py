"""The tiny guest boots from its own disk under emulation and lets the holder of its key in."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudwright.execute.sample.disk import read_disk
from cloudwright.execute.sample.guest import MEMORY_MIB, READY, USER, make_guest
from cloudwright.transport.local import LocalHost

QEMU = "localhost/cloudwright/nova-libvirt:2026.2"
BOOT_SECONDS = 120
PORT = 20422

# QEMU runs this for each connection to the metadata service; $0 lies beside the key.
METADATA = r"""#!/bin/sh
here=$(dirname "$0")
read -r _ path _
while read -r header; do [ "$(printf %s "$header" | tr -d '\r')" ] || break; done
case $path in
*/public-keys/0/openssh-key) body=$(cat "$here/key.pub") ;;
*/hostname) body=probe.novalocal ;;
*) printf 'HTTP/1.0 404 Not Found\r\n\r\n'; exit ;;
esac
printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body"
"""


def here(*words: str) -> str:
    done = subprocess.run(words, text=True, capture_output=True, check=False, timeout=60)
    return done.stdout


@dataclass(frozen=True, slots=True)
class Machine:
    """A virtual machine in a container, with a metadata service of its own."""

    folder: Path
    container: str = "cloudwright-guest-test"

    @property
    def console(self) -> str:
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def boot(self, kind: str) -> None:
        """Switch on, and wait for the line that says that SSH answers."""
        (self.folder / "console").unlink(missing_ok=True)
        network = (
            "user,id=n,net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.9.9,"
            f"guestfwd=tcp:169.254.169.254:80-cmd:{self.folder}/metadata,"
            f"hostfwd=tcp:127.0.0.1:{PORT}-:22"
        )
        here(
            *("podman", "run", "--detach", "--name", self.container, "--network=host"),
            *("--user=root", f"--volume={self.folder}:{self.folder}"),
            *("--entrypoint=qemu-system-x86_64", QEMU, "-machine", f"{kind},accel=tcg"),
            *("-m", str(MEMORY_MIB), "-display", "none", "-no-reboot"),
            *("-drive", f"file={self.folder}/disk.img,if=virtio,format=raw"),
            *("-serial", f"file:{self.folder}/console"),
            *("-netdev", network, "-device", "virtio-net-pci,netdev=n"),
        )
        end = time.monotonic() + BOOT_SECONDS
        while READY not in self.console:
            assert time.monotonic() < end, self.console or here("podman", "logs", self.container)
            time.sleep(0.1)

    def off(self) -> None:
        here("podman", "rm", "--force", "--time=0", self.container)

    def run(self, command: str, user: str = USER) -> str:
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")
        return here(
            *("ssh", "-F", "none", "-i", f"{self.folder}/key", "-p", str(PORT)),
            *(word for option in options for word in ("-o", option)),
            *(f"{user}@127.0.0.1", command),
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("guest")
    return asyncio.run(make_guest(LocalHost(), cache, print))


@pytest.fixture
def machine(tmp_path: Path, image: Path) -> Iterator[Machine]:
    if not json.loads(here("podman", "images", "--format=json", QEMU) or "[]"):
        pytest.fail(f"{QEMU} is not built: `cloudwright images build`")
    (tmp_path / "disk.img").write_bytes(image.read_bytes())
    (tmp_path / "metadata").write_text(METADATA)
    (tmp_path / "metadata").chmod(0o755)
    here("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{tmp_path}/key")
    made = Machine(tmp_path)
    made.off()
    try:
        yield made
    finally:
        made.off()


def test_it_is_made_once(image: Path) -> None:
    made = image.stat().st_mtime_ns
    assert asyncio.run(make_guest(LocalHost(), image.parent, print)) == image
    assert image.stat().st_mtime_ns == made
    assert read_disk(image).format == "raw"


@pytest.mark.parametrize("kind", ["pc", "q35"])
def test_it_takes_its_key_and_its_name_and_lets_us_in(machine: Machine, kind: str) -> None:
    machine.boot(kind)
    assert machine.run("id -un; hostname").split() == [USER, "probe"]


def test_nobody_else_gets_in(machine: Machine) -> None:
    machine.boot("pc")
    assert machine.run("id -un", user="root") == ""
    here("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{machine.folder}/other")
    (machine.folder / "other").replace(machine.folder / "key")
    assert machine.run("id -un") == ""


def test_it_is_known_by_the_same_key_after_a_reboot(machine: Machine) -> None:
    def key() -> str:
        machine.boot("pc")
        machine.off()
        (line,) = (text for text in machine.console.splitlines() if "host key" in text)
        return line.partition("host key ")[2]

    assert key() == key()

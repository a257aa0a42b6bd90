"""What libvirt's image does before libvirt starts; `make ready` built the image."""

from __future__ import annotations

import pytest

from tests.machine.kolla import image, podman

TRIED = """\
set -o errexit -o nounset -o pipefail
rm -f /dev/kvm
mknod /dev/kvm c 1 3
chown root:$1 /dev/kvm
chmod $2 /dev/kvm
runuser -u nova -- test -w /dev/kvm && exit 3
for time in first second; do . /usr/local/bin/kolla_extend_start; done
runuser -u nova -- test -r /dev/kvm -a -w /dev/kvm
stat -c '%u %g %a' /dev/kvm
"""

NOVA = 42436
"""The contract's number of the user that QEMU is."""


@pytest.mark.parametrize(
    ("gid", "mode", "after"),
    [
        pytest.param(0, 600, f"0 {NOVA} 660", id="a host without udev"),
        pytest.param(993, 660, "0 993 660", id="a group that the image does not know"),
        pytest.param(6, 660, "0 6 660", id="a group that is another's in the image"),
    ],
)
def test_qemu_may_use_kvm(gid: int, mode: int, after: str) -> None:
    said = podman(
        *("run", "--rm", "--runtime", "runc", "--network", "none"),
        *("--user", "root", "--cap-add", "MKNOD"),
        *("--entrypoint", "bash", image("nova-libvirt")),
        *("-c", TRIED, "bash", str(gid), str(mode)),
    )
    assert said.splitlines()[-1] == after

"""libvirt starts and watches the QEMU processes of a compute host's instances."""

from __future__ import annotations

from cloudwright.declare.image import Image

IMAGE = Image(
    name="nova-libvirt",
    packages=(
        "libvirt-daemon",
        "libvirt-daemon-driver-qemu",
        "libvirt-daemon-driver-nodedev",
        "libvirt-daemon-driver-secret",
        "libvirt-daemon-driver-storage",
        "libvirt-daemon-driver-nwfilter",
        "libvirt-clients",
        "qemu-system-x86",
        "qemu-utils",
        "ovmf",
    ),
    users=("nova", "qemu", "libvirt"),
)

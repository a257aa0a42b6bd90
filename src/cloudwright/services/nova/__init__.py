"""Nova runs instances: its image, and the service that its parts make."""

from __future__ import annotations

from cloudwright.declare.image import Image

IMAGE = Image(
    name="nova",
    parent="openstack-base",
    projects=("nova",),
    packages=("qemu-utils", "python3-libvirt", "novnc"),
    users=("nova", "qemu", "libvirt"),
    user="nova",
    run=(
        "mkdir -p /etc/nova && cp -a /var/lib/kolla/venv/etc/nova/. /etc/nova/",
        # libvirt's binding must match the library beside it: Debian's, not one built by pip.
        "ln -s /usr/lib/python3/dist-packages/libvirt*.py"
        " /usr/lib/python3/dist-packages/libvirtmod*.so"
        " /var/lib/kolla/venv/lib/python3*/site-packages/",
        "printf 'nova ALL=(root) NOPASSWD: /var/lib/kolla/venv/bin/privsep-helper *\\n'"
        " > /etc/sudoers.d/nova",
        "chmod 0440 /etc/sudoers.d/nova",
        "install -d -o nova -g nova /var/lib/nova/tmp /var/lib/nova/instances",
    ),
    names=("nova-api", "nova-scheduler", "nova-conductor", "nova-novncproxy", "nova-compute"),
)

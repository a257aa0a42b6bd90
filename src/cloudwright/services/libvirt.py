"""libvirt starts and watches the QEMU processes of a compute host's instances."""

from __future__ import annotations

from cloudwright.declare.at import At
from cloudwright.declare.image import Image
from cloudwright.declare.service import (
    CommandHealth,
    Container,
    File,
    Files,
    Mount,
    Permission,
    Service,
    Volume,
    runtime,
)

# Nova's threads share one connection, and many ask at once while instances start slowly. Beyond
# the limit of requests libvirtd stops reading from it, so from its answers to "are you alive?",
# too; then it hangs up, and all that was being started fails. A socket of this host needs no such
# question: the kernel says when the other side is gone. Source: the comments of libvirtd.conf.
LIBVIRTD_CONF = """\
unix_sock_group = "nova"
unix_sock_rw_perms = "0770"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "2:stderr"
max_client_requests = 100
keepalive_interval = -1
"""

# What libvirt notes of running instances is of one boot: then all of them are gone.
# It gives each instance a cgroup beside ours in every controller that it knows. With cgroup
# v1 there are two more, and what an instance has of them would be the container's: its limit of
# processes, and a group that cannot be removed while the instance runs.
START = """\
boot="$(cat /proc/sys/kernel/random/boot_id) $(cut -d' ' -f22 /proc/1/stat)"
[ "$boot" = "$(cat /run/libvirt/boot 2>/dev/null)" ] || rm -rf /run/libvirt/*
echo "$boot" >/run/libvirt/boot
for group in /sys/fs/cgroup/pids /sys/fs/cgroup/systemd; do
    [ ! -d $group ] || { mkdir -p $group/machine && echo $$ >$group/machine/cgroup.procs; }
done
exec libvirtd
"""

# The command of a deployer by the Kolla contract, which keeps consoles' logs with a log daemon.
CONTRACT_START = """\
#!/bin/sh
virtlogd &
exec libvirtd --listen
"""

# QEMU is nova here, and /dev/kvm is root's, or a group's of the host. Shut out, instances cannot
# use it; and libvirt, which had found KVM as it probed QEMU, takes that for out of date ("not
# available now") and probes anew, for seconds, before it starts anything.
OPEN_KVM = """\
if [ -c /dev/kvm ]; then
    gid=$(stat -c %g /dev/kvm)
    if [ "$gid" -eq 0 ]; then
        chgrp nova /dev/kvm  # no udev has been here
    elif ! id -G nova | tr ' ' '\\n' | grep -qx "$gid"; then
        getent group "$gid" >/dev/null || groupadd --gid "$gid" kvm-of-host
        usermod --append --groups "$(getent group "$gid" | cut -d: -f1)" nova
    fi
    chmod g+rw /dev/kvm
fi
"""

# Instances outlive this container: QEMU writes the console's log itself (a log daemon would die
# with the container), stays out of mount namespaces, and its cgroup is the host's, not ours.
QEMU_CONF = """\
user = "nova"
group = "nova"
dynamic_ownership = 1
security_driver = "none"
stdio_handler = "file"
namespaces = []
max_core = 0
"""


# Guests are processes of the host and outlive this container; only it can end them well.
FAREWELL = """\
for instance in $(virsh -q list --name); do
    virsh -q destroy "$instance" && echo "ended instance $instance"
done
"""


def files(at: At) -> Files:
    """Who may call libvirt, and how it starts QEMU."""
    return {
        "start.sh": File(content=START, path="/etc/cloudwright/start.sh"),
        "libvirtd.conf": File(content=LIBVIRTD_CONF, path="/etc/libvirt/libvirtd.conf"),
        "qemu.conf": File(content=QEMU_CONF, path="/etc/libvirt/qemu.conf"),
    }


service = Service(
    name="libvirt",
    summary="starts instances and watches them",
    image=Image(
        name="nova-libvirt",
        packages=(
            "libvirt-daemon",
            "libvirt-daemon-driver-qemu",
            "libvirt-daemon-driver-nodedev",
            "libvirt-daemon-driver-secret",
            "libvirt-daemon-driver-storage",
            "libvirt-daemon-driver-nwfilter",
            "libvirt-daemon-log",
            "libvirt-clients",
            "qemu-system-x86",
            "qemu-utils",
            "ovmf",
        ),
        users=("nova", "qemu", "libvirt"),
        programs={"kolla_nova_libvirt_start": CONTRACT_START},
        start=OPEN_KVM,
    ),
    containers=(
        Container(
            name="nova-libvirt",
            role="compute",
            command="bash /etc/cloudwright/start.sh",
            files=files,
            volumes=(
                Volume(name="libvirtd", path="/var/lib/libvirt"),
                Volume(name="nova_compute", path="/var/lib/nova"),
                Volume(name="nova_libvirt_qemu", path="/etc/libvirt/qemu"),
            ),
            mounts=(
                runtime("libvirt"),
                # Consoles are pseudo-terminals here, which Nova must see as well.
                Mount(source="/dev", target="/dev"),
                Mount(source="/sys/fs/cgroup", target="/sys/fs/cgroup"),
                Mount(source="/lib/modules", target="/lib/modules", read_only=True),
            ),
            # Each instance's own directory is below; the home of user libvirt would be its alone.
            permissions=(Permission(path="/var/lib/libvirt", owner="root", mode="0755"),),
            privileged="starts instances: KVM, taps, cgroups outside of its own container",
            host_pid=True,
            host_cgroups=True,
            stop_seconds=30,
            farewell=FAREWELL,
            health=CommandHealth(command=("virsh", "-c", "qemu:///system", "version", "--daemon")),
        ),
    ),
)

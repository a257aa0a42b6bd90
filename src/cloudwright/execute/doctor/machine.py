"""This machine: its system, packages, size, kernel and habits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cloudwright.errors import Missing
from cloudwright.execute.doctor.finding import Finding, Fix, install_command
from cloudwright.execute.images.debian import find_apt
from cloudwright.transport.host import File, Host

PACKAGES = {
    "podman": "runs the containers",
    "runc": "starts containers where crun refuses the control groups",
    "netavark": "gives Podman's containers a network",
    "aardvark-dns": "gives Podman's networks names",
    "iptables": "netavark calls it",
    "nftables": "netavark of Podman 5 calls it",
    "mmdebstrap": "makes Debian trees without a registry",
    "iproute2": "makes the bridges and cables of a lab",
    "ethtool": "has checksums finished before the switch in user space reads a packet",
    "e2fsprogs": "makes the file system of a lab host that has a disk of its own",
    "iputils-ping": "asks instances, and hosts that shall be dead, for an answer",
    "openssh-client": "logs in to what was built",
    "mtools": "fills the tiny guest's disk",
    "syslinux": "starts the tiny guest",
    "ca-certificates": "the authorities that builds trust",
}
GIB = 1024**3
MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Of the topmost control group that is seen from here, in the kernel's second and first version
(cgroup-v2.rst, memory.rst): a container's own; a real machine's has no limit."""
LEAST_MEMORY = 7 * GIB
LEAST_DISK = 15 * GIB
LEAST_CORES = 2
SLOW_SHELL = 0.1
"""Seconds; each command over SSH pays for what root's shell does first."""


async def check_system(host: Host) -> tuple[Finding, ...]:
    """Debian 12 or 13 on x86-64, and we are root."""
    done = await host.run(". /etc/os-release; echo $ID $VERSION_ID; uname -m; id -u", check=False)
    system, architecture, user = [*done.stdout.splitlines(), "", "", ""][:3]
    found = []
    known = system in ("debian 12", "debian 13")
    found.append(
        Finding(
            name="system",
            severity="ok" if known else "warning",
            text=f"{system} {architecture}",
            why="tried on Debian 12 and 13 only; images and the guest are made with apt",
            cure="use Debian 12 or 13",
        )
    )
    if architecture != "x86_64":
        found.append(
            Finding(
                name="architecture",
                severity="error",
                text=f"{architecture}, not x86_64",
                why="the release's lock and the tiny guest are for x86-64",
                cure="use an x86-64 machine",
            )
        )
    if user != "0":
        found.append(
            Finding(
                name="user",
                severity="error",
                text="not root",
                why="building images and making networks needs root",
                cure="run the same with sudo",
            )
        )
    return tuple(found)


async def check_packages(host: Host) -> tuple[Finding, ...]:
    """Every Debian package that we call is installed."""
    done = await host.run(
        "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' "
        f"{' '.join(PACKAGES)} 2>/dev/null",
        check=False,
    )
    there = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    missing = tuple(name for name in PACKAGES if name not in there)
    if not missing:
        return (Finding(name="packages", severity="ok", text=f"{len(PACKAGES)} installed"),)
    return (
        Finding(
            name="packages",
            severity="error",
            text=f"missing: {', '.join(missing)}",
            why="\n".join(f"{name}: {PACKAGES[name]}" for name in missing),
            cure=install_command(missing).partition("; ")[2],
            fix=Fix(packages=missing),
        ),
    )


def usable_memory(installed: int, limits: Iterable[str]) -> int:
    """What the containers of a machine may use, in bytes: what it has (`installed`), or less where
    it is a container itself. `limits` are what the files MEMORY_LIMITS say: bytes, or `max`."""
    return min([installed, *(int(limit) for limit in limits if limit.isdigit())])


async def check_size(host: Host) -> tuple[Finding, ...]:
    """Memory, disk where images go, and cores for one small cloud."""
    done = await host.run(
        "awk '/^MemTotal/ {print $2}' /proc/meminfo; getconf _NPROCESSORS_ONLN; "
        "df -PB1 /var/lib/containers /var/lib 2>/dev/null | awk 'NR == 2 {print $4}'; "
        f"cat {' '.join(MEMORY_LIMITS)} 2>/dev/null",
        check=False,
    )
    memory, cores, disk, *limits = done.stdout.split()
    least = usable_memory(int(memory) * 1024, limits) / GIB
    return (
        _size("memory", least, LEAST_MEMORY / GIB, "GiB", "a lab runs a whole cloud here"),
        _size(
            "disk",
            float(disk) / GIB,
            LEAST_DISK / GIB,
            "GiB free",
            "images take 5 GiB, twice that while they are built",
        ),
        _size("cores", int(cores), LEAST_CORES, "", "everything takes longer"),
    )


async def check_kernel(host: Host) -> tuple[Finding, ...]:
    """Whether packets can be switched in the kernel, and inotify has room for many containers."""
    done = await host.run(
        "for m in openvswitch geneve; do "
        "[ -d /sys/module/$m ] || modprobe -n -q $m 2>/dev/null || echo $m; done; echo; "
        "cat /proc/sys/fs/inotify/max_user_instances",
        check=False,
    )
    modules, _, watches = done.stdout.rpartition("\n\n")
    missing = (modules or done.stdout.partition("\n\n")[0]).split()
    found = [
        Finding(
            name="switch",
            severity="note" if missing else "ok",
            text=f"no {' and '.join(missing)} in the kernel: packets are switched in user space"
            if missing
            else "the kernel has openvswitch and geneve",
        )
    ]
    if watches.strip().isdigit() and int(watches) < 512:
        path = "/etc/sysctl.d/60-cloudwright.conf"
        setting = "fs.inotify.max_user_instances = 1024"
        text = f"# Each container engine and many programs take some.\n{setting}\n"
        found.append(
            Finding(
                name="inotify",
                severity="warning",
                text=f"one user may have {watches.strip()} inotify instances",
                why="all containers share them; programs fail with 'too many open files'",
                cure=f"put `{setting}` into {path}",
                fix=_sysctl_fix(path, text),
            )
        )
    return tuple(found)


async def check_bridges(host: Host) -> tuple[Finding, ...]:
    """No firewall of this machine looks at what the lab's bridges carry."""
    done = await host.run(
        "cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null; "
        "iptables -S FORWARD 2>/dev/null | head -n 1",
        check=False,
    )
    if not (done.stdout.startswith("1") and "-P FORWARD DROP" in done.stdout):
        return ()
    rule = "FORWARD -i cwl-+ -j ACCEPT"
    return (
        Finding(
            name="bridges",
            severity="error",
            text="this machine's firewall drops what crosses a bridge",
            why="Docker sets it so; hosts of a lab could not reach each other",
            cure=f"iptables -I {rule}",
            fix=Fix(commands=(f"iptables -C {rule} 2>/dev/null || iptables -I {rule}",)),
        ),
    )


async def check_kvm(host: Host) -> tuple[Finding, ...]:
    """Whether KVM is there at all; each host runs a guest under it before it is believed."""
    done = await host.run("[ -c /dev/kvm ] && echo yes", check=False)
    text = (
        "/dev/kvm is there; each host is probed by booting a guest before it is used"
        if done.stdout
        else "no /dev/kvm: instances are emulated, which is slow"
    )
    return (Finding(name="kvm", severity="note", text=text),)


async def check_tun(host: Host) -> tuple[Finding, ...]:
    """Network cards of instances are made with /dev/net/tun."""
    done = await host.run("[ -c /dev/net/tun ] && head -c 0 /dev/net/tun", check=False)
    if done.status == 0:
        return (Finding(name="tun", severity="ok", text="/dev/net/tun"),)
    make = "modprobe tun; [ -c /dev/net/tun ] || "
    make += "{ mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200; }"
    return (
        Finding(
            name="tun",
            severity="error",
            text="no usable /dev/net/tun",
            why="instances and the switch get their network cards from it",
            cure="modprobe tun",
            fix=Fix(commands=(make,)),
        ),
    )


async def check_shell(host: Host) -> tuple[Finding, ...]:
    """Root's .bashrc does not slow every command down."""
    done = await host.run(
        "[ -r ~/.bashrc ] || exit 0; "
        "bash -c 'TIMEFORMAT=%R; time . ~/.bashrc >/dev/null 2>&1' 2>&1 | tail -n 1",
        check=False,
    )
    match = re.fullmatch(r"(\d+)[.,](\d+)", done.stdout.strip())
    seconds = float(f"{match[1]}.{match[2]}") if match else 0.0
    if seconds < SLOW_SHELL:
        return ()
    return (
        Finding(
            name="shell",
            severity="warning",
            text=f"~/.bashrc takes {seconds:.2f} s",
            why="every command that comes over SSH waits for it",
            cure="begin ~/.bashrc with: [[ $- == *i* ]] || return",
        ),
    )


async def check_mirror(host: Host) -> tuple[Finding, ...]:
    """Where packages come from; a private way is used in builds and left in nothing."""
    try:
        apt = await find_apt(host)
    except Missing as error:
        return (
            Finding(name="apt", severity="error", text=error.what, why=error.why, cure=error.hint),
        )
    done = await host.run("ls /usr/local/share/ca-certificates/*.crt 2>/dev/null | wc -l")
    ours = int(done.stdout or 0)
    authority = f"; {ours} private authorities, for builds only" if ours else ""
    return (Finding(name="mirror", severity="ok", text=f"{apt.mirror}{authority}"),)


def _size(name: str, found: float, least: float, unit: str, why: str) -> Finding:
    few = found < least
    return Finding(
        name=name,
        severity="ok" if not few else "warning" if name == "cores" else "error",
        text=f"{found:.0f} {unit}".strip() + (f", at least {least:.0f} needed" if few else ""),
        why=why,
        cure=f"give this machine more {name}",
    )


def _sysctl_fix(path: str, text: str) -> Fix:
    return Fix(
        files=(File(path=path, content=text.encode()),),
        commands=(f"sysctl --quiet --load={path}",),
    )

"""Podman on a machine: whether it really starts a container, and what it needs to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cloudwright.transport.host import Host

SETTINGS = "/etc/containers/containers.conf.d/cloudwright.conf"
"""Ours alone; Podman 4.3 and later read it after the distribution's own."""

WANTED_FILES = 1048576
"""Open files that Podman asks for a container unless told otherwise."""
WANTED_PROCESSES = 32768

# A root directory of one program and its libraries: a container without image or registry.
_PROBE = r"""
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
true=$(command -v /usr/bin/true || command -v /bin/true)
for file in "$true" $(ldd "$true" | grep -o '/[^ )]*'); do
  mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"
done
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/etc" "$root/run" "$root/tmp"
timeout -s KILL 30 podman run --rm --network=none $1 --rootfs "$root" "$true"
"""

_FACTS = r"""
[ -e /sys/fs/cgroup/cgroup.controllers ] && echo cgroup=2 || echo cgroup=1
[ -d /run/systemd/system ] && echo systemd=yes || echo systemd=no
awk '/^Max open files/ {print "files=" $5} /^Max processes/ {print "processes=" $4}' \
  /proc/self/limits
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quirk:
    """What was found of an engine; `why` and `cure` say more where it is not well.

    `settings` is the whole text that cures it in the file SETTINGS, empty where that does not.
    """

    severity: Literal["ok", "warning", "error"]
    text: str
    why: tuple[str, ...] = ()
    cure: str = ""
    settings: str = ""


async def find_start(host: Host, *, builds: bool = False) -> Quirk | None:
    """Start a plain and a privileged container that end at once; None without Podman.

    With `builds` it is held to building images too, which Podman does with its own limits.
    """
    if (await host.run("command -v podman", check=False)).status:
        return None
    done = await host.run(f"set --; {_PROBE}", check=False)
    if done.status == 0:
        done = await host.run(f"set -- --privileged; {_PROBE}", check=False)
    facts = _read((await host.run(_FACTS)).stdout)
    # Podman 5 starts one with the limits that are there, and builds with those that it wants.
    told = not builds or not (await host.run(f"test -e {SETTINGS}", check=False)).status
    enough = told or _least(facts.get("files", ""), WANTED_FILES) == WANTED_FILES
    if done.status == 0 and enough:
        return Quirk(severity="ok", text="Podman starts containers")
    settings = settings_for(facts)
    return Quirk(
        severity="error",
        text=f"Podman cannot {'start a container' if done.status else 'build an image'}",
        why=(*reasons(facts), *done.output.strip().splitlines()[-3:]),
        cure=f"put into {SETTINGS}:",
        settings=settings,
    )


async def find_store(host: Host) -> Quirk | None:
    """Images lie in overlays of the kernel's own, on a file system that overlays can lie on; None
    where Podman does not say where they lie."""
    done = await host.run(
        "podman info --format '{{.Store.GraphDriverName}} {{.Store.GraphRoot}}' && "
        "stat -f -c %T $(podman info --format '{{.Store.GraphRoot}}')",
        check=False,
    )
    words = done.stdout.split()
    if len(words) != 3:
        return None
    driver, place, kind = words
    if driver != "overlay":
        return Quirk(
            severity="warning",
            text=f"Podman keeps images with the driver {driver}",
            why=("every container start copies whole images",),
            cure='set driver = "overlay" in /etc/containers/storage.conf (loses the images)',
        )
    if kind == "overlayfs":
        return Quirk(
            severity="error",
            text=f"{place} lies on an overlay itself",
            why=("the kernel does not stack overlays: this machine is a container, it seems",),
            cure=f"mount a volume of another file system at {place}",
        )
    return Quirk(severity="ok", text=f"overlay on {kind}, {place}")


def settings_for(facts: Mapping[str, str]) -> str:
    """What Podman must be told on a machine with these facts, as a containers.conf file."""
    files = _least(facts.get("files", ""), WANTED_FILES)
    processes = _least(facts.get("processes", ""), WANTED_PROCESSES)
    engine = []
    if facts.get("cgroup") == "1":
        engine += ['runtime = "runc"']
    if facts.get("systemd") == "no":
        engine += ['cgroup_manager = "cgroupfs"', 'events_logger = "file"']
    lines = [
        "# As `cloudwright doctor --fix` writes it; without it Podman is as Debian ships it.",
        "[containers]",
        f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]',
        *(["", "[engine]", *engine] if engine else []),
    ]
    return "\n".join(lines) + "\n"


def reasons(facts: Mapping[str, str]) -> tuple[str, ...]:
    """Why Podman as it is shipped may not work on a machine with these facts."""
    found = []
    if facts.get("cgroup") == "1":
        found.append("the control groups are version 1 or mixed: crun refuses them, runc does not")
    if facts.get("systemd") == "no":
        found.append("systemd does not run here, which Podman asks for control groups and logs")
    if _least(facts.get("files", ""), WANTED_FILES) < WANTED_FILES:
        found.append(
            f"a process may open {facts['files']} files here, Podman asks for {WANTED_FILES}"
        )
    return tuple(found)


def _least(limit: str, wanted: int) -> int:
    return min(int(limit), wanted) if limit.isdigit() else wanted


def _read(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs}

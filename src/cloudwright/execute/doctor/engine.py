"""Podman on this machine: whether it really starts a container, and what it needs to be told."""

from __future__ import annotations

from collections.abc import Mapping

from cloudwright.execute.doctor.finding import Finding, Fix
from cloudwright.transport.host import File, Host

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


async def check_engine(host: Host) -> tuple[Finding, ...]:
    """Start a plain and a privileged container that end at once."""
    if (await host.run("command -v podman", check=False)).status:
        return ()  # the packages' check has said so
    plain = await host.run(f"set --; {_PROBE}", check=False)
    done = plain
    if plain.status == 0:
        done = await host.run(f"set -- --privileged; {_PROBE}", check=False)
    name = "engine"
    facts = _read((await host.run(_FACTS)).stdout)
    # Podman 5 starts one with the limits that are there, and builds with those that it wants.
    told = not (await host.run(f"test -e {SETTINGS}", check=False)).status
    builds = told or _least(facts.get("files", ""), WANTED_FILES) == WANTED_FILES
    if done.status == 0 and builds:
        return (Finding(name=name, severity="ok", text="Podman starts containers"),)
    settings = settings_for(facts)
    return (
        Finding(
            name=name,
            severity="error",
            text=f"Podman cannot {'start a container' if done.status else 'build an image'}",
            why="\n".join([*reasons(facts), *done.output.strip().splitlines()[-3:]]),
            cure=f"put into {SETTINGS}:\n" + _indented(settings),
            fix=Fix(files=(File(path=SETTINGS, content=settings.encode()),)),
        ),
    )


async def check_store(host: Host) -> tuple[Finding, ...]:
    """Images lie in overlays of the kernel's own, on a file system that overlays can lie on."""
    done = await host.run(
        "podman info --format '{{.Store.GraphDriverName}} {{.Store.GraphRoot}}' && "
        "stat -f -c %T $(podman info --format '{{.Store.GraphRoot}}')",
        check=False,
    )
    words = done.stdout.split()
    if len(words) != 3:
        return ()
    driver, place, kind = words
    if driver != "overlay":
        return (
            Finding(
                name="storage",
                severity="warning",
                text=f"Podman keeps images with the driver {driver}",
                why="every container start copies whole images",
                cure='set driver = "overlay" in /etc/containers/storage.conf (loses the images)',
            ),
        )
    if kind == "overlayfs":
        return (
            Finding(
                name="storage",
                severity="error",
                text=f"{place} lies on an overlay itself",
                why="the kernel does not stack overlays: this machine is a container, it seems",
                cure=f"mount a volume of another file system at {place}",
            ),
        )
    return (Finding(name="storage", severity="ok", text=f"overlay on {kind}, {place}"),)


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
        "# Written by `cloudwright doctor --fix`; without this file Podman is as Debian ships it.",
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


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.rstrip().splitlines())

"""The figures of the README: apply, smoke, second apply, rendering, --help, images, memory.

It waits for an idle machine, prints the machine, wall and CPU seconds, medians and ranges. Run
`make bench`; it makes a lab of its own and removes it. `--images` builds all images anew, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
REMADE = ("nova-scheduler.conf", "scheduler", "discover_hosts_in_cells_interval")
RELOADED = ("nova-conductor.conf", "DEFAULT", "debug")
IDLE_LOAD = 0.5
IDLE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: wall and CPU seconds of each run, and the goal in wall seconds."""

    name: str
    goal: float
    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    def line(self) -> str:
        """A row of the table."""
        median = statistics.median(self.wall)
        return (
            f"{self.name:<44} {median:8.2f} {min(self.wall):8.2f} {max(self.wall):8.2f} "
            f"{statistics.median(self.cpu):8.2f} {len(self.wall):3d} "
            f"{self.goal:8.2f} {median / self.goal:6.2f}"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", action="store_true", help="build all images from nothing too")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="cloudwright-bench-") as folder:
        directory = Path(folder)
        shutil.copy(ROOT / "examples" / "aio.yaml", directory / "cloud.yaml")
        figures = list(measure(directory, options.repeats, options.images))
    head = ("what", "median s", "min", "max", "CPU s", "n", "goal s", "ratio")
    print("{:<44} {:>8} {:>8} {:>8} {:>8} {:>3} {:>8} {:>6}".format(*head))
    for figure in figures:
        print(figure.line())
    return 0


def machine() -> str:
    """What this was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.platform()}, "
        f"Python {platform.python_version()}"
    )


def measure(directory: Path, repeats: int, images: bool):  # type: ignore[no-untyped-def]
    """Every figure; lab hosts are made and removed around each apply."""
    yield run("cloudwright --help", 0.25, 10, lambda: tool(directory, "--help"))
    yield run("render all config, cold process", 1.0, 5, lambda: render(directory))
    if images:
        yield run(
            "all images from nothing",
            240,
            1,
            lambda: tool(directory, "images", "build", "--fresh"),
        )
    applies, seconds, smokes, memory = [], [], [], 0.0
    changes: list[tuple[float, float]] = []
    reloads: list[tuple[float, float]] = []
    for _ in range(repeats):
        tool(directory, "lab", "up")
        try:
            applies.append(once(lambda: tool(directory, "apply", "--yes")))
            seconds += [once(lambda: tool(directory, "apply", "--yes")) for _ in range(3)]
            changes += [once(lambda n=n: change(directory, REMADE, n)) for n in (300, 301, 302)]
            reloads += [once(lambda n=n: change(directory, RELOADED, n)) for n in (True, False)]
            smokes.append(once(lambda: tool(directory, "smoke", "--keep")))
            memory = max(memory, lab_memory())
        finally:
            tool(directory, "lab", "down", "--data")
    yield figure("apply, empty host to all APIs healthy", 60, applies)
    yield figure("second apply (nothing to do)", 2, seconds)
    yield figure("one changed option, its container remade", 3, changes)
    yield figure("one changed option, taken as it runs", 3, reloads)
    yield figure("smoke", 60, smokes)
    print(f"memory of the lab with one instance: {memory:.2f} GiB (goal 5)")


def change(directory: Path, option: tuple[str, str, str], value: object) -> None:
    """Set one option of one service and apply it."""
    file, section, name = option
    path = directory / "config" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[{section}]\n{name} = {value}\n")
    tool(directory, "apply", "--yes")


def run(name: str, goal: float, repeats: int, work: Callable[[], None]) -> Figure:
    """`repeats` runs of one thing, on an idle machine."""
    return figure(name, goal, [once(work) for _ in range(repeats)])


def figure(name: str, goal: float, times: list[tuple[float, float]]) -> Figure:
    """A figure of (wall, CPU) pairs."""
    return Figure(name, goal, tuple(w for w, _ in times), tuple(c for _, c in times))


def once(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of the whole machine (the lab's work is not our child's)."""
    wait_idle()
    wall, cpu = time.monotonic(), busy_seconds()
    work()
    return time.monotonic() - wall, busy_seconds() - cpu


def busy_seconds() -> float:
    """CPU seconds that this machine has worked since it booted (Linux, proc_stat(5))."""
    fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def wait_idle() -> None:
    """Wait until the machine does less than half a core of work; say so when it never does."""
    deadline = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < deadline:
        before = busy_seconds()
        time.sleep(1)
        if busy_seconds() - before < IDLE_LOAD:
            return
    print(f"the machine was not idle for {IDLE_SECONDS} s; the next figure is not to be trusted")


def tool(directory: Path, *words: str) -> None:
    """A verb of the command line; its output is shown when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "cloudwright", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")


def render(directory: Path) -> None:
    """A fresh process that loads the example and renders every file of every container."""
    script = (
        "from pathlib import Path\n"
        "from cloudwright.services import SERVICES\n"
        "from cloudwright.execute.session import read_cloud\n"
        "from cloudwright.model.facts import Facts\n"
        "from cloudwright.plan.blueprint import World, make_blueprint\n"
        "cloud, overrides = read_cloud(Path('cloud.yaml').resolve(), SERVICES)\n"
        "facts = {h.name: Facts(host=h.name) for h in cloud.hosts}\n"
        "assert make_blueprint(cloud, SERVICES, World(facts=facts), overrides).steps\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=directory, check=True)


def lab_memory() -> float:
    """GiB of proportional set size of every process in the lab's hosts."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if "libpod" not in (folder / "cgroup").read_text():
                continue
            text = (folder / "smaps_rollup").read_text()
        except (OSError, ValueError):
            continue
        total += sum(int(x.split()[1]) for x in text.splitlines() if x.startswith("Pss:"))
    return total / 1024**2


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())

"""What the benchmarks share: an idle machine, wall and CPU seconds, a table."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

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


def table(figures: Iterable[Figure]) -> str:
    """All rows below a header."""
    head = ("what", "median s", "min", "max", "CPU s", "n", "goal s", "ratio")
    header = "{:<44} {:>8} {:>8} {:>8} {:>8} {:>3} {:>8} {:>6}".format(*head)
    return "\n".join([header, *(figure.line() for figure in figures)])


def machine() -> str:
    """What this was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.platform()}, "
        f"Python {platform.python_version()}"
    )


def figure(name: str, goal: float, times: list[tuple[float, float]]) -> Figure:
    """A figure of (wall, CPU) pairs."""
    return Figure(name, goal, tuple(w for w, _ in times), tuple(c for _, c in times))


def once(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of the whole machine (the lab's work is not our child's)."""
    wait_idle()
    return timed(work)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """The same, on a machine as it is."""
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


def tool(directory: Path, *words: str, **environment: str) -> None:
    """A verb of the command line, with more in its environment; its output is shown when it
    fails."""
    done = subprocess.run(
        [sys.executable, "-m", "cloudwright", *words],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")


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

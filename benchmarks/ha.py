"""A cloud over two sites and a witness: its apply, its memory, and what users notice of failures.

It makes a lab of its own on an idle machine, drills each failure several times, and prints the
median and the p95 of each figure beside its goal, and whether it was kept. Usage: ha.py
[--repeats N] [--hours H] [--[no-]creates] [--kolla] [DRILL...]
Servers are created while a site is lost, with `--creates` in every drill, with `--no-creates` in
none.
With `--hours` it goes on drilling in a random order until they are over; the seed is printed.
With `--kolla` each drill is done as often again with Kolla-Ansible's timers and database settings,
as far as overrides reach them, and both stand in one table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import goals
import kolla
from measuring import Figure, figure, lab_memory, machine, once, table, timed, tool

ROOT = Path(__file__).parents[1]
DRILLS = (
    "lose-site a",
    "lose-site b",
    "lose-site w",
    "partition a",
    "partition a b",
    "partition a b w",
    "kill-service mariadb",
    "freeze-service mariadb",
    "full-disk ctl-b",
    "cold-start",
)
PASSED = (0, 10)
CONTROLLERS = ("ctl-a", "ctl-b")
OURS, THEIRS = "ours", "Kolla's"


def main() -> int:
    """Measure and print; 1 when anything acknowledged was lost or two sides wrote, with our own
    settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--creates", action=argparse.BooleanOptionalAction)
    parser.add_argument("--kolla", action="store_true")
    parser.add_argument("drills", nargs="*", default=DRILLS)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="cloudwright-bench-") as folder:
        directory = Path(folder)
        shutil.copy(ROOT / "examples" / "two-sites.yaml", directory / "cloud.yaml")
        tool(directory, "lab", "up", "--disk", "16")  # GiB, so that one host's can be filled
        try:
            first = [*applied(directory)]
            print(table(first), flush=True)
            measures = [*built(first, lab_memory())]
            reports = [*drilled(directory, options, OURS)]
            if options.kolla:
                reports += compared(directory, options)
        finally:
            tool(directory, "lab", "down", "--data")
    print(goals.table([*measures, *goals.measured(reports)]))
    print(safety(reports))
    return int(any(unsafe(report) for report in reports if report["settings"] == OURS))


def applied(directory: Path) -> Iterator[Figure]:
    """From empty hosts to a whole cloud, and once more with nothing to do."""
    empty = [once(lambda: tool(directory, "apply", "--yes"))]
    yield figure("apply, five empty hosts", goals.APPLY_SECONDS, empty)
    # Five hosts of a cloud are never idle: the machine is waited for once, before all.
    again = [timed(lambda: tool(directory, "apply", "--yes")) for _ in range(3)]
    yield figure("second apply (nothing to do)", 2, again)


def built(figures: list[Figure], memory: float) -> Iterator[goals.Measure]:
    """What it takes to make the cloud, and to have it, in GiB."""
    for one in figures:
        yield goals.Measure(drill="", what=one.name, values=one.wall, goal=one.goal)
    goal, values = goals.MEMORY_GIB, (memory,)
    yield goals.Measure(drill="", what="memory of the lab", values=values, goal=goal, unit="GiB")


def compared(directory: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The same drills with Kolla-Ansible's values, as far as they can be set."""
    kolla.override(directory, CONTROLLERS)
    tool(directory, "apply", "--yes")
    print("with Kolla-Ansible's values; what no override reaches, and therefore stays ours:")
    print("\n".join(f"- {thing}" for thing in kolla.NOT_REACHED), flush=True)
    yield from drilled(directory, options, THEIRS)


def drilled(
    directory: Path, options: argparse.Namespace, settings: str
) -> Iterator[dict[str, Any]]:
    """The report of each drill, each told as it ends; `settings` is whose values are in place."""
    for words in order(options):
        creates = words.startswith("lose-site") if options.creates is None else options.creates
        extra = ["--creates"] if creates else []
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "cloudwright",
                "drill",
                *words.split(),
                *extra,
                "--wait",
                "600",
            ],
            cwd=directory,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode not in PASSED:
            sys.exit(f"drill {words} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        newest = max((directory / ".cloudwright" / "drills").iterdir())
        report: dict[str, Any] = json.loads((newest / "report.json").read_text())
        said = "passed" if report["passed"] else "; ".join(report["wrong"])
        print(f"{words}, {settings}, load average {os.getloadavg()[0]:.1f}: {said}", flush=True)
        yield {**report, "drill": f"{report['drill']}, {settings}", "settings": settings}


def order(options: argparse.Namespace) -> Iterator[str]:
    """Each drill so often as asked for; then, for some hours, any of them."""
    for _ in range(options.repeats):
        yield from options.drills
    if options.hours:
        print(f"seed {options.seed}", flush=True)
        chosen, end = random.Random(options.seed), time.monotonic() + options.hours * 3600
        while time.monotonic() < end:
            yield chosen.choice(options.drills)


def safety(reports: list[dict[str, Any]]) -> str:
    """How many acknowledged writes there were, and how many drills lost one or had two writers."""
    lines = []
    for settings in dict.fromkeys(report["settings"] for report in reports):
        done = [report for report in reports if report["settings"] == settings]
        acknowledged = sum(one["acknowledged"] for r in done for one in r["writes"])
        bad = sum(map(unsafe, done))
        lines.append(
            f"{settings}: {acknowledged} acknowledged writes, {len(done)} drills, {bad} unsafe"
        )
    return "\n".join(lines)


def unsafe(report: dict[str, Any]) -> bool:
    """Whether something acknowledged was lost, or two sides took writes."""
    return report["two_writers"] or any(one["lost"] or one["risen"] for one in report["writes"])


if __name__ == "__main__":
    sys.exit(main())

"""How planning and applying grow with the cloud: real model, real planner, simulated hosts.

Each size runs in a process of its own, so that its peak of memory is its own. Times are the
processor's, so that a busy machine changes them little; how they grow is told without the
kernel's, which a new file costs more or less of by the disk. Usage: scale.py [SIZE...]
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from typing import TypeVar

from cloudwright.execute.journal.journal import Journal
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.run import walk
from cloudwright.execute.simulated import SimulatedWorld
from cloudwright.images.schemas import Schemas
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.model.overrides import Override, OverrideFile, Overrides
from cloudwright.plan.blueprint import Blueprint, World, make_blueprint
from cloudwright.plan.checks import check
from cloudwright.plan.difference import Plan, make_plan
from cloudwright.services import SERVICES

SIZES = (10, 100, 1000)
SITES = "abc"
CONTROLLERS = 3
GOAL_SECONDS, GOAL_MIB = 10, 1024
"""For blueprint and difference of the largest cloud, and for its whole run's memory."""

STAGES = {
    "load": "cloud.yaml read and checked",
    "blueprint": "all that must exist",
    "difference": "the plan of a first run, and its checks",
    "execute": "that plan done to simulated hosts, journal and logs on disk",
    "observe": "every step's evidence judged",
    "no-op": "the plan of a second run, which is empty",
    "option": "blueprint and plan once an option of one service changed",
    "change": "that plan done",
}

GOAL_POWER = 1.25
"""Linear, but for what measuring itself adds; of every stage."""

TELLING_AMOUNT = 0.05
"""Less of seconds (the kernel counts hundredths) or MiB, at either of two sizes, tells nothing of
how they grow."""

START = "start"
"""Before the first stage: the program itself."""

T = TypeVar("T")


def main(sizes: list[int]) -> int:
    """Measure each size in a process of its own and print the table; 1 when a goal is missed."""
    rows = {size: measure_apart(size) for size in sizes}
    print(f"{'seconds of processor':<22}" + "".join(f"{n:>12} hosts" for n in rows) + "   growth")
    for stage, meaning in STAGES.items():
        times = [row[stage] for row in rows.values()]
        ours = [row[f"{stage} ours"] for row in rows.values()]
        shown = "".join(f"{t:>18.2f}" for t in times)
        print(f"{stage:<22}{shown}   {growth(list(rows), ours):<8} {meaning}")
    steps = [row["steps"] for row in rows.values()]
    print(f"{'steps':<22}" + "".join(f"{int(n):>18}" for n in steps))
    print_memory(rows)
    largest = rows[max(rows)]
    planning = largest["blueprint"] + largest["difference"]
    print(
        f"\nblueprint and difference of {max(rows)} hosts: {planning:.1f} s, goal {GOAL_SECONDS}"
    )
    memory = max(largest[f"{stage} MiB"] for stage in STAGES)
    faster = [
        stage
        for stage in STAGES
        if power(list(rows), [row[stage] for row in rows.values()]) > GOAL_POWER
    ]
    for stage in faster:
        print(f"{stage} grows faster than n^{GOAL_POWER}")
    return int(planning > GOAL_SECONDS or memory > GOAL_MIB or bool(faster))


def print_memory(rows: Mapping[int, Mapping[str, float]]) -> None:
    """The peak by the end of each stage, and how what came upon the program itself grows."""
    print("\npeak of memory, MiB")
    for stage in (START, *STAGES):
        peaks = [row[f"{stage} MiB"] for row in rows.values()]
        added = [row[f"{stage} MiB"] - row[f"{START} MiB"] for row in rows.values()]
        shown = "".join(f"{int(n):>18}" for n in peaks)
        print(f"{'  by ' + stage:<22}{shown}   {growth(list(rows), added)}".rstrip())


def growth(sizes: Sequence[int], amounts: Sequence[float]) -> str:
    """The power of the size that the last two amounts grow by; empty when they are too small."""
    found = power(sizes, amounts)
    return f"n^{found:.2f}" if found else ""


def power(sizes: Sequence[int], amounts: Sequence[float]) -> float:
    """The power of the size that the last two amounts grow by: 1 is linear, 2 quadratic; 0 when
    they are too small to tell."""
    if len(sizes) < 2 or min(amounts[-2:]) < TELLING_AMOUNT:
        return 0
    return log(amounts[-1] / amounts[-2]) / log(sizes[-1] / sizes[-2])


def measure_apart(size: int) -> dict[str, float]:
    """Measure in a new process."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(size)], check=True, stdout=subprocess.PIPE
    )
    return dict(json.loads(done.stdout))


def measure(size: int) -> dict[str, float]:
    """Per stage the seconds of processor, those of them that are `ours` and not the kernel's, and
    the peak of memory by its end in MiB; the number of steps."""
    found: dict[str, float] = {f"{START} MiB": peak_mib()}

    def timed(stage: str, work: Callable[[], T]) -> T:
        began, ours = time.process_time(), os.times().user
        result = work()
        found[stage] = time.process_time() - began
        found[f"{stage} ours"] = os.times().user - ours
        found[f"{stage} MiB"] = peak_mib()
        return result

    with tempfile.TemporaryDirectory(prefix="cloudwright-scale-") as name:
        folder = Path(name)
        (folder / "cloud.yaml").write_text(cloud_yaml(size))
        cloud = timed("load", lambda: load(folder / "cloud.yaml"))
        world = SimulatedWorld(cloud=cloud.name)
        blueprint = timed("blueprint", lambda: blueprint_of(cloud, Overrides()))
        found["steps"] = len(blueprint.steps)

        def planned(wanted: Blueprint = blueprint) -> Plan:
            plan = make_plan(wanted, world.observe(wanted))
            check(plan, wanted)
            return plan

        def run(plan: Plan) -> None:
            logs = StepLogs(folder / "run")
            outcome = asyncio.run(walk(plan, world.perform, Journal(), logs))
            assert outcome.is_whole, outcome.failed

        plan = timed("difference", planned)
        timed("execute", lambda: run(plan))
        observed = timed("observe", lambda: world.observe(blueprint))
        assert timed("no-op", lambda: make_plan(blueprint, observed)).is_empty
        option = Override(section="DEFAULT", option="x", values=("1",), line=1)
        file = OverrideFile(path="config/glance.conf", name="glance.conf", overrides=(option,))
        changed = timed("option", lambda: blueprint_of(cloud, Overrides(files=(file,))))
        change = planned(changed)
        assert len(change.planned) == 2 * CONTROLLERS, change.planned
        timed("change", lambda: run(change))
    return found


def peak_mib() -> float:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def blueprint_of(cloud: Cloud, overrides: Overrides) -> Blueprint:
    """What must exist on hosts that are all alike."""
    facts = Facts(host="", cores=16, memory_bytes=64 * 1024**3, kernel_ovs=True)
    images = {s.image.name for s in SERVICES if s.image}
    world = World(
        facts={h.name: replace(facts, host=h.name) for h in cloud.hosts},
        image_ids={f"{cloud.images.prefix}/{name}:{cloud.release}": "1" for name in images},
    )
    return make_blueprint(cloud, SERVICES, world, overrides, Schemas(release=cloud.release).of)


def cloud_yaml(size: int) -> str:
    """A cloud over three sites: a controller in each, all other hosts for instances."""
    lines = ["name: scale", 'release: "2026.2"', f"sites: [{', '.join(SITES)}]", "hosts:"]
    for number in range(size):
        controls = number < CONTROLLERS
        lines += [
            f"  h{number}:",
            f"    site: {SITES[number % len(SITES)]}",
            f"    roles: [{'control, network' if controls else 'compute'}]",
            f"    address: 10.0.{number // 250}.{number % 250 + 1}",
            f"    tunnel_address: 10.1.{number // 250}.{number % 250 + 1}",
        ]
        lines += ["    external_interface: eth2"] if controls else []
    return "\n".join(
        [
            *lines,
            "networks:",
            "  management: {cidr: 10.0.0.0/16}",
            "  tunnel: {cidr: 10.1.0.0/16}",
            "  external: {cidr: 10.2.0.0/24, gateway: 10.2.0.1,"
            " pool_start: 10.2.0.100, pool_end: 10.2.0.199}",
            "api: {internal: 10.0.255.1, external: 10.0.255.1}",
            "",
        ]
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
    else:
        sys.exit(main([int(n) for n in sys.argv[1:]] or list(SIZES)))

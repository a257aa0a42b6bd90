"""The figures of the README: apply, smoke, second apply, rendering, --help, images, memory.

It waits for an idle machine, prints the machine, wall and CPU seconds, medians and ranges. Run
`make bench`; it makes a lab of its own and removes it. `--images` builds all images anew, too.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from measuring import Figure, figure, lab_memory, machine, once, table, tool

ROOT = Path(__file__).parents[1]
REMADE = ("nova-scheduler.conf", "scheduler", "discover_hosts_in_cells_interval")
RELOADED = ("nova-conductor.conf", "DEFAULT", "debug")


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
    print(table(figures))
    return 0


def measure(directory: Path, repeats: int, images: bool) -> Iterator[Figure]:
    """Every figure; lab hosts are made and removed around each apply."""
    yield run("cloudwright --help", 0.25, 10, lambda: tool(directory, "--help"))
    yield run("render all config, cold process", 1.0, 5, lambda: render(directory))
    if images:
        yield run(
            "all images from nothing",
            240,
            1,
            # With nothing that an earlier build has fetched.
            lambda: tool(
                directory, "images", "build", "--fresh", XDG_CACHE_HOME=str(directory / "cache")
            ),
        )
    applies, seconds, smokes, memory = [], [], [], 0.0
    changes: list[tuple[float, float]] = []
    reloads: list[tuple[float, float]] = []
    for _ in range(repeats):
        tool(directory, "lab", "up")
        try:
            applies.append(once(lambda: tool(directory, "apply", "--yes")))
            seconds += [once(lambda: tool(directory, "apply", "--yes")) for _ in range(3)]
            changes += [once(partial(change, directory, REMADE, n)) for n in (300, 301, 302)]
            reloads += [once(partial(change, directory, RELOADED, n)) for n in (True, False)]
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


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())

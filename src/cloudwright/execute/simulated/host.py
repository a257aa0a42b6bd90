"""One host of a simulated fleet: files, containers, volumes, and what each process has read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cloudwright.engine.api import ContainerState
from cloudwright.execute.host import labels
from cloudwright.execute.host.judge import STARTING, WRITTEN, Found
from cloudwright.plan.steps import ConfigFile, RunContainer, Step


@dataclass(slots=True)
class Process:
    """A container. `fixed` and `read` are what its process took from each file: what it can only
    take as it starts, and what it may take again."""

    step: Step
    id: str
    cloud: str
    running: bool = False
    healthy: bool = False
    fixed: dict[str, str] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)

    @property
    def action(self) -> RunContainer:
        """What it was made as."""
        assert isinstance(self.step.action, RunContainer)
        return self.step.action

    def state(self) -> ContainerState:
        """As an engine shows it."""
        marks = {
            labels.CLOUD: self.cloud,
            labels.DIGEST: self.step.digest,
            **labels.particular(self.action),
        }
        return ContainerState(
            name=self.action.container,
            id=self.id,
            image=self.action.body.image,
            image_id=self.action.body.image_id,
            labels=marks,
            state="running" if self.running else "exited",
        )


@dataclass(slots=True)
class SimulatedHost:
    """A host. `files` is container → name → content; `marks` what we keep beside them; `volumes`
    name → what tells one from another that was made later under its name."""

    up: bool = True
    files: dict[str, dict[str, ConfigFile]] = field(default_factory=dict)
    marks: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    switches: dict[str, str] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)

    def found(self, directory: str) -> Found | None:
        """A config directory as looking at a real one would say it; None when there is none."""
        if directory not in self.files:
            return None
        marks = self.marks.get(directory, {})
        sums = {name: sum_of(file.text) for name, file in self.files[directory].items()}
        return Found(
            modes={name: "600 root:root" for name in sums},
            sums={**sums, **dict.fromkeys(marks, "")},
            marks=marks,
        )

    def mark(self, directory: str, name: str, lines: list[str]) -> None:
        """Leave a note of ours beside the files."""
        self.marks.setdefault(directory, {})[name] = lines

    def unmark(self, directory: str, *names: str) -> None:
        """Take notes of ours away."""
        for name in names:
            self.marks.get(directory, {}).pop(name, None)

    def start(self, process: Process) -> None:
        """Its process takes every file as it is now."""
        files = self.files.get(process.action.container, {})
        process.fixed = {name: file.unchanging for name, file in files.items()}
        process.read = {name: file.text for name, file in files.items()}
        process.running = True

    def reboot(self) -> None:
        """Everything ends; containers start again by themselves, with the files that are there."""
        for process in self.processes.values():
            if process.running:
                self.start(process)

    def lose_disk(self) -> None:
        """All is gone."""
        for part in (
            self.files,
            self.marks,
            self.processes,
            self.volumes,
            self.switches,
            self.images,
        ):
            part.clear()

    def written(self, directory: str) -> None:
        """Note what we wrote."""
        files = self.files[directory].items()
        self.mark(directory, WRITTEN, [f"{sum_of(f.text)}  {name}" for name, f in files])

    def is_starting(self, directory: str) -> bool:
        """Whether a container of it was made and did not become healthy yet."""
        return STARTING in self.marks.get(directory, {})

    def whole(self) -> Mapping[str, object]:
        """All that can be told from outside, to be compared; not what only tells copies apart."""
        return {
            "files": {
                directory: {name: file.text for name, file in files.items()}
                for directory, files in self.files.items()
            },
            "processes": {
                name: (p.step.digest, p.running, p.healthy, dict(p.fixed), dict(p.read))
                for name, p in self.processes.items()
            },
            "volumes": sorted(self.volumes),
            "switches": dict(self.switches),
        }


@lru_cache(maxsize=100_000)
def sum_of(text: str) -> str:
    """The SHA-256 of a file's content."""
    return hashlib.sha256(text.encode()).hexdigest()

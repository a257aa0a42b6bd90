"""A release of OpenStack: which projects, on which Debian and Python, locked to the byte."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from cloudwright.errors import Missing

SHARED = "openstack-base"
"""The lock of what two or more projects need; it is installed once, in their common parent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One release, as its folder in `releases/` says; `locks` are requirements with hashes."""

    name: str
    debian: str
    python: str
    platform: str
    common: tuple[str, ...]
    projects: Mapping[str, tuple[str, ...]]
    locks: Mapping[str, str]


def releases() -> Traversable:
    """The folder that has one folder per release."""
    return files("cloudwright") / "releases"


def known_releases() -> tuple[str, ...]:
    """The names of those that there are, the oldest first."""
    return tuple(sorted(f.name for f in releases().iterdir() if (f / "release.toml").is_file()))


def load_release(name: str) -> Release:
    """Read a release by its name. Raises Missing when there is none of that name."""
    folder = releases() / name
    if not (folder / "release.toml").is_file():
        raise Missing(f"no release {name}", hint=f"known: {', '.join(known_releases())}")
    data = tomllib.loads((folder / "release.toml").read_text("utf-8"))
    return Release(
        name=str(data["name"]),
        debian=str(data["debian"]),
        python=str(data["python"]),
        platform=str(data["platform"]),
        common=tuple(data["common"]),
        projects={project: tuple(wanted) for project, wanted in data["projects"].items()},
        locks={
            file.name.removesuffix(".txt"): file.read_text("utf-8")
            for file in folder.iterdir()
            if file.name.endswith(".txt")
        },
    )


def lock_entries(text: str) -> dict[str, str]:
    """Each package of a lock: its name → its lines, pin and hashes."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            name = line.partition("==")[0].strip()
            entries[name] = ""
        entries[name] += line + "\n"
    return entries


def split_locks(whole: str, needs: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Cut one lock into the shared one and one per project.

    `whole` has every package; `needs` says which of them each project wants. What two or more
    want, or none in particular does, is shared, so that all agree on its version.
    """
    entries = lock_entries(whole)
    owners = {
        package: [project for project, wanted in needs.items() if package in wanted]
        for package in entries
    }
    locks = {project: "" for project in (SHARED, *needs)}
    for package, text in entries.items():
        owner = owners[package]
        locks[owner[0] if len(owner) == 1 else SHARED] += text
    return locks

"""The operator's own options: INI files beside `cloud.yaml`, merged over ours line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cloudwright.errors import Problem
from cloudwright.model.cloud import OVERRIDES
from cloudwright.model.decode import suggestion

MAX_BYTES = 256 * 1024
"""Nova's own sample of every option is half of this."""

SUFFIXES = (".conf", ".ini", ".cnf")
"""How INI files end."""

Options = Mapping[str, Mapping[str, str | tuple[str, ...]]]
"""Section → option → value; a tuple when the option was given more than once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """One option of one file; `values` has more than one when the file gives it repeatedly."""

    section: str
    option: str
    values: tuple[str, ...]
    line: int
    """Where it was first given."""
    places: tuple[tuple[int, int], ...] = ()
    """Line and column of each value, from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OverrideFile:
    """One INI file of the operator's.

    `host` and `directory` (a container's name) limit it; empty ones do not. `name` is that of a
    container's file (`nova.conf`), of a container (`nova-compute.conf`) or, inside a
    container's directory, of any INI file of it (`neutron-server/ml2_conf.ini`).
    """

    path: str
    name: str
    host: str = ""
    directory: str = ""
    overrides: tuple[Override, ...] = ()

    def is_for(self, container: str, filename: str, host: str) -> bool:
        """Whether it speaks of the file `filename` of `container` on `host`."""
        if self.host and self.host != host:
            return False
        if self.directory:
            return _is_of(container, self.directory) and filename == self.name
        if filename == self.name:
            return True
        ours, theirs = PurePosixPath(self.name), PurePosixPath(filename)
        if ours.suffix != theirs.suffix:
            return False
        of_container = container == ours.stem and _is_of(container, theirs.stem)
        of_service = _is_of(container, ours.stem) and _is_of(theirs.stem, ours.stem)
        return of_container or of_service

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """What comes later wins: a host's over all hosts', the narrower name over the wider."""
        return bool(self.host), bool(self.directory), len(self.name), self.path


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """Every file of the operator's, in the order in which they win."""

    files: tuple[OverrideFile, ...] = ()

    def for_file(
        self, container: str, filename: str, host: str
    ) -> tuple[tuple[str, Options], ...]:
        """`(origin, options)` for one file of a container on a host; what comes later wins.

        One entry for each option, so that its origin has the line: `config/nova.conf:12`.
        """
        return tuple(
            (f"{file.path}:{o.line}", {o.section: {o.option: _value(o.values)}})
            for file in self.files_for(container, filename, host)
            for o in file.overrides
        )

    def files_for(self, container: str, filename: str, host: str) -> tuple[OverrideFile, ...]:
        """The files that speak of one file of a container on a host, in the order of winning."""
        return tuple(file for file in self.files if file.is_for(container, filename, host))

    def unmatched(self, files: Iterable[tuple[str, str, str]]) -> tuple[Problem, ...]:
        """A problem for each file here that is for none of `(container, filename, host)`; where
        there is none, nothing is asked of `files`."""
        files = tuple(files) if self.files else ()
        return tuple(
            Problem(file=file.path, text="no container has an INI file that this is for")
            for file in self.files
            if not any(file.is_for(*of_container) for of_container in files)
        )


def _is_of(name: str, whole: str) -> bool:
    """`nova-compute` is of `nova` and of `nova-compute`."""
    return name == whole or name.startswith(f"{whole}-")


def _value(values: tuple[str, ...]) -> str | tuple[str, ...]:
    return values[0] if len(values) == 1 else values


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What names of files and folders may speak of: services and containers, and hosts.

    `hosts` is None when not all of them can be read: then any folder may be a host's.
    """

    names: frozenset[str]
    hosts: frozenset[str] | None


def load_overrides(
    beside: Path, folder: str, known: Known
) -> tuple[Overrides, tuple[Problem, ...]]:
    """The files under `folder` in the directory `beside` (none when it is not there, unless the
    operator named it), without what is wrong in them, and every problem: a name that is not
    known, a directory that is no host's and no container's, a line that is not INI.
    """
    directory = beside / folder
    if not directory.exists():
        if folder == OVERRIDES:
            return Overrides(), ()
        hint = f"make it, or correct `overrides_dir: {folder}`"
        text = "there is no such folder of overrides"
        return Overrides(), (Problem(file=str(directory), text=text, hint=hint),)
    problems: list[Problem] = []
    files: list[OverrideFile] = []
    try:
        for path in _files(directory):
            place = path.relative_to(directory)
            shown = str(PurePosixPath(directory.name) / place)
            file, found = _read(path, place.parts, shown, known)
            problems += found
            files += [file] if file else []
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        problems.append(Problem(file=str(error.filename or directory), text=text))
    return Overrides(files=tuple(sorted(files, key=lambda f: f.rank))), tuple(problems)


def _files(directory: Path) -> Iterator[Path]:
    """Every file but an editor's own (`.nova.conf.swp`, `nova.conf~`), in order."""
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _read(
    path: Path, parts: tuple[str, ...], shown: str, known: Known
) -> tuple[OverrideFile | None, list[Problem]]:
    *folders, name = parts
    names, hosts = known.names, known.hosts
    if hosts is None:
        hosts = frozenset(folders[:1]) - names
    host = folders.pop(0) if folders and folders[0] in hosts else ""
    directory = folders.pop(0) if folders and folders[0] in names else ""
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    said = hint = ""
    if folders:
        others = (names if host else names | hosts) if not directory else frozenset[str]()
        said = f'"{folders[0]}" is the name of no host, service or container'
        hint = suggestion(folders[0], sorted(others))
    elif suffix not in SUFFIXES:
        said, hint = "not an INI file", "its name ends with " + ", ".join(SUFFIXES)
    elif not directory and stem not in names:
        said = f'"{stem}" is the name of no service or container'
        hint = suggestion(stem, sorted(names))
    if said:
        return None, [Problem(file=shown, text=said, hint=hint)]
    with path.open("rb") as file:
        overrides, problems = parse_ini(file.read(MAX_BYTES + 1), shown)
    found = OverrideFile(
        path=shown, name=name, host=host, directory=directory, overrides=overrides
    )
    return found, problems


_SECTION = re.compile(r"\[(?P<name>[^\[\]]+)\]\s*")
_OPTION = re.compile(r"(?P<name>[^\s=:\[\]][^=:\[\]]*?)\s*[=:]\s*(?P<value>.*)")


def parse_ini(content: bytes, file: str) -> tuple[tuple[Override, ...], list[Problem]]:
    """The options of an INI text as oslo.config reads it, and every line that is none.

    `#` and `;` begin a comment line; a repeated option is a list; an indented line goes on with
    the value before it.
    """
    if len(content) > MAX_BYTES:
        return (), [Problem(file=file, text=f"more than {MAX_BYTES} bytes")]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        at = content.count(b"\n", 0, error.start) + 1
        return (), [Problem(file=file, line=at, text="not UTF-8 text")]
    problems: list[Problem] = []
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    given: dict[tuple[str, str], list[str]] = {}
    section, values = "", list[str]()
    is_lost = False  # in a section whose name cannot be read: nobody knows whose options these are
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        if line[0].isspace() and values:
            # Kept as an indented line, so that it is one when the file is written again.
            values[-1] += "\n  " + line.strip()
        elif match := _SECTION.fullmatch(line):
            section, values, is_lost = match["name"], [], False
        elif is_lost:
            continue
        elif (match := _OPTION.fullmatch(line.rstrip())) and section:
            key = (section, match["name"])
            found.setdefault(key, []).append((number, match.start("value") + 1))
            values = given.setdefault(key, [])
            values.append(match["value"])
        else:
            is_lost = line.startswith("[")
            values = []
            said = (
                "an option before any [section]" if match else "neither [section] nor option = …"
            )
            problems.append(Problem(file=file, line=number, column=1, text=said))
    overrides = tuple(
        Override(
            section=section,
            option=option,
            values=tuple(given[section, option]),
            line=places[0][0],
            places=tuple(places),
        )
        for (section, option), places in found.items()
    )
    return overrides, problems

"""What a plan changes in configuration files: options old → new with their origin, lines else."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloudwright.declare.at import At
from cloudwright.declare.ini import Setting, texts
from cloudwright.declare.options import OptionSet
from cloudwright.declare.service import Container, Service
from cloudwright.model.option import Option
from cloudwright.model.overrides import Overrides, parse_ini
from cloudwright.model.secrets import told
from cloudwright.plan import masking
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Change, Observed, Plan
from cloudwright.plan.options import SchemaOf, lookup_of
from cloudwright.plan.provenance import DEFAULT, Kinds, provenance
from cloudwright.plan.steps import ConfigFile, WriteFiles

MAX_LINES = 24
"""Of a difference between texts; the rest is counted."""

_Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionChange:
    """One option; `old` and `new` as they may be shown, None where no file says anything.

    `default` is then what upstream takes. `origin` is where the new value comes from.
    """

    section: str
    option: str
    old: str | None
    new: str | None
    origin: str
    default: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """One file of a container: its options, or lines of a difference that begin with + or -."""

    file: str
    change: Change
    options: tuple[OptionChange, ...] = ()
    lines: tuple[str, ...] = ()


Changes = Mapping[str, tuple[FileChange, ...]]
"""Step id → what it changes in its files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What the new values come from."""

    services: Sequence[Service]
    overrides: Overrides
    schema_of: SchemaOf
    kinds: Kinds = field(default_factory=dict)
    _containers: dict[str, Container] = field(default_factory=dict)

    def container(self, name: str) -> Container | None:
        """The declared container of that name."""
        if not self._containers:
            self._containers.update({c.name: c for s in self.services for c in s.containers})
        return self._containers.get(name)


def changes_of(plan: Plan, blueprint: Blueprint, observed: Observed, sources: Sources) -> Changes:
    """What differs in each config directory that the plan alters (not in those it makes)."""
    found = {}
    for planned in plan.planned:
        seen = observed.seen.get(planned.step.id)
        at = blueprint.ats.get(planned.step.host)
        if planned.change is not Change.ALTER or seen is None or at is None:
            continue
        match planned.step.action:
            case WriteFiles(directory=directory) as action:
                container = sources.container(directory.rpartition("/")[2])
                if container:
                    found[planned.step.id] = tuple(
                        _changes(action, seen.found, container, at, sources)
                    )
            case _:
                pass
    return found


def _changes(
    action: WriteFiles,
    found: tuple[ConfigFile, ...],
    container: Container,
    at: At,
    sources: Sources,
) -> Iterator[FileChange]:
    declared = {file.name: file for file in action.files}
    for old in found:
        new = declared.get(old.name)
        if new is None:
            yield FileChange(file=old.name, change=Change.REMOVE)
            continue
        if old.text == new.text:
            continue
        options = _options(old, container, at, sources)
        yield FileChange(
            file=old.name,
            change=Change.ALTER,
            options=options,
            lines=() if options else tuple(_lines(old.text, new.text)),
        )


def _options(
    old: ConfigFile, container: Container, at: At, sources: Sources
) -> tuple[OptionChange, ...]:
    """The options that differ; none for what is no INI file, or differs in its form alone."""
    file = container.files(at).get(old.name)
    if file is None or isinstance(file.content, str):
        return ()
    read, problems = parse_ini(old.text.encode(), old.name)
    if problems:
        return ()
    there = {(o.section, o.option): o.values for o in read}
    settings = {
        (s.section, s.option): s
        for s in provenance(container, old.name, at, sources.overrides, sources.kinds)
        if texts(s.value)
    }
    known = _known(file.options, settings, sources)
    return tuple(
        _option(key, there.get(key), settings.get(key), known(key))
        for key in dict.fromkeys((*settings, *there))
        if there.get(key) != _written(settings.get(key))
    )


def _written(setting: Setting | None) -> tuple[str, ...] | None:
    """What reading the file would give: without the blanks at a value's ends."""
    return tuple(text.strip() for text in texts(setting.value)) if setting else None


def _known(
    options: OptionSet | None, settings: Mapping[_Key, Setting], sources: Sources
) -> Callable[[_Key], Option | None]:
    schema = sources.schema_of(options) if options else None
    value_of = lookup_of(settings.values())
    return lambda key: schema.option(*key, value_of) if schema else None


def _option(
    key: _Key, old: tuple[str, ...] | None, setting: Setting | None, known: Option | None
) -> OptionChange:
    new = texts(setting.value) if setting else ()
    name = key[1]
    before = [masking.found(text, new, known, name) for text in old or ()]
    after = [masking.value(text, known, name) for text in new]
    if before == after:
        # Both are masked alike; the files differ all the same.
        before = [masking.UNKNOWN]
    default = known.default if known else None
    return OptionChange(
        section=key[0],
        option=name,
        old=_joined(before) if old is not None else None,
        new=_joined(after) if setting else None,
        origin=setting.origin if setting else DEFAULT,
        default=_joined([default] if isinstance(default, str) else default or ()),
    )


def _joined(shown: Sequence[str]) -> str:
    return ", ".join(" ".join(text.split()) for text in shown)


def _lines(old: str, new: str) -> Iterator[str]:
    """What differs, without the lines around it; secrets are told of, never shown."""
    before, after = old.splitlines(), new.splitlines()
    shown = [
        *difflib.unified_diff(
            [masking.found_line(line, after) for line in before],
            [told(line) for line in after],
            n=0,
            lineterm="",
        )
    ][2:]
    lines = [line for line in shown if not line.startswith("@@")]
    if not lines and before != after:
        lines = ["-" + masking.UNKNOWN]
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield f"… and {len(lines) - MAX_LINES} lines more"

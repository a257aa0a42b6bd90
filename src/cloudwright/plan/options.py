"""Every option of every file held against what its service knows: ours, and the operator's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloudwright.declare.at import At
from cloudwright.declare.ini import Ini, Setting, settings, texts
from cloudwright.declare.options import OptionSet
from cloudwright.declare.service import File, Files, Service, hosts_of
from cloudwright.errors import Problem
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.overrides import Override, OverrideFile, Overrides
from cloudwright.model.schema import Fault, Lookup, Schema
from cloudwright.model.secrets import without_secrets

SchemaOf = Callable[[OptionSet], Schema | None]
"""The schema of a declared set of options; None when the release has none of that project."""

_Place = tuple[str, int, str, str]
"""File, line, section and option of an override."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """An INI file of a container, on a host that stands for all that get the same overrides."""

    service: str
    container: str
    name: str
    host: str
    declared: Ini
    options: OptionSet | None
    overrides: tuple[OverrideFile, ...]
    beside: Mapping[tuple[str, str], str]
    """Section and option that another file of the same process sets, and this one does not →
    that file."""


def check_overrides(
    cloud: Cloud, services: Sequence[Service], overrides: Overrides, schema_of: SchemaOf
) -> tuple[Problem, ...]:
    """What is wrong with the operator's options, each with its place; warnings among them.

    An override that several files get is unknown only when none of them knows it.
    """
    found: dict[_Place, list[tuple[tuple[Problem, Fault], ...]]] = {}
    for target in _targets(cloud, services, overrides):
        schema = schema_of(target.options) if target.options else None
        layers = overrides.for_file(target.container, target.name, target.host)
        value_of = lookup_of(settings([("", target.declared), *layers]))
        for file in target.overrides:
            for override in file.overrides:
                place = (file.path, override.line, override.section, override.option)
                verdict: tuple[tuple[Problem, Fault], ...] = ()
                if schema:
                    verdict = (
                        *_problems(file, override, schema, value_of),
                        *_shadows(file, override, schema, target, value_of),
                    )
                found.setdefault(place, []).append(verdict)
    return tuple(sorted({p for verdicts in found.values() for p in _together(verdicts)}))


def own_faults(declared: Ini, schema: Schema) -> Iterator[tuple[Setting, Fault]]:
    """What is wrong with the options that a service itself declares in one file: bugs of ours."""
    everything = settings([("", declared)])
    value_of = lookup_of(everything)
    for setting in everything:
        values = tuple(without_secrets(text) for text in texts(setting.value))
        for fault in schema.faults(setting.section, setting.option, values, value_of):
            yield setting, fault


def lookup_of(effective: Iterable[Setting]) -> Lookup:
    """What a file as a whole says of an option."""
    known = {(s.section, s.option): ",".join(texts(s.value)) for s in effective}
    return lambda section, option: known.get((section, option), "")


def _targets(cloud: Cloud, services: Sequence[Service], overrides: Overrides) -> Iterator[_Target]:
    """Each INI file that gets overrides, once for every different set of them."""
    if not overrides.files:
        return
    for service in services:
        for container in service.containers:
            seen: set[tuple[str, tuple[str, ...]]] = set()
            files: Files = {}
            for host in hosts_of(cloud, container):
                # What a host is decides values, and neither which files nor which options.
                at = At(cloud=cloud, host=host, facts=Facts(host=host.name))
                files = files or container.files(at)
                for name, file in files.items():
                    chosen = overrides.files_for(container.name, name, host.name)
                    key = (name, tuple(f.path for f in chosen))
                    if isinstance(file.content, str) or not chosen or key in seen:
                        continue
                    seen.add(key)
                    yield _Target(
                        service=service.name,
                        container=container.name,
                        name=name,
                        host=host.name,
                        declared=file.content,
                        options=file.options,
                        overrides=chosen,
                        beside=_beside(name, file, files),
                    )


def _beside(name: str, file: File, files: Files) -> Mapping[tuple[str, str], str]:
    own = {(s, o) for s, found in _sections(file).items() for o in found}
    return {
        (section, option): other
        for other, there in files.items()
        if other != name and there.options is not None and there.options is file.options
        for section, found in _sections(there).items()
        for option in found
        if (section, option) not in own
    }


def _sections(file: File) -> Ini:
    return {} if isinstance(file.content, str) else file.content


def _problems(
    file: OverrideFile, override: Override, schema: Schema, value_of: Lookup
) -> Iterator[tuple[Problem, Fault]]:
    section, option = override.section, override.option
    for fault in schema.faults(section, option, override.values, value_of):
        line, column = override.line, 1
        if fault.at_value is not None:
            line, column = override.places[fault.at_value]
        text, hint, warning = fault.text, fault.hint, fault.warning
        yield (
            Problem(
                file=file.path, line=line, column=column, text=text, hint=hint, warning=warning
            ),
            fault,
        )


def _shadows(
    file: OverrideFile, override: Override, schema: Schema, target: _Target, value_of: Lookup
) -> Iterator[tuple[Problem, Fault]]:
    """What would win over the override, and nobody would be told."""
    known = schema.option(override.section, override.option, value_of)
    if not known:
        return
    text = hint = ""
    if other := target.beside.get((known.section or override.section, known.name)):
        # What a process reads last wins, and the name of a plugin's file comes after.
        text = f'"{override.option}" is set in {other} as well, which is read later'
        hint = f"put it into {target.service}/{other}, beside this"
    elif (
        (known.section, known.name) != (override.section, override.option)
        and known.section
        and value_of(known.section, known.name)
    ):
        # Within a file the present name is looked for first.
        text = f'"{override.option}" is not read: [{known.section}] {known.name} is there too'
    if text:
        problem = Problem(file=file.path, line=override.line, column=1, text=text, hint=hint)
        yield problem, Fault(text=text)


def _together(verdicts: list[tuple[tuple[Problem, Fault], ...]]) -> Iterator[Problem]:
    """What is wrong with an override wherever it goes."""
    known = not all(any(fault.unknown for _, fault in verdict) for verdict in verdicts)
    for verdict in verdicts:
        for problem, fault in verdict:
            if not (fault.unknown and known):
                yield problem

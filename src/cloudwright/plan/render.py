"""A container's files as text, the operator's overrides merged last, and the start contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from cloudwright.declare import ini
from cloudwright.declare.at import AUTHORITY, CA_PATH, At
from cloudwright.declare.service import Container, File, Service
from cloudwright.model.overrides import Overrides
from cloudwright.plan import certificates
from cloudwright.plan.options import SchemaOf, lookup_of
from cloudwright.plan.steps import ConfigFile, PlacedFile

CONFIG_DIRECTORY = "/etc/cloudwright"
CONFIG_MOUNT = "/var/lib/kolla/config_files"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """The files of a container on a host, and those of which a running one can read something
    again."""

    files: tuple[ConfigFile, ...]
    again: tuple[PlacedFile, ...]


def files_of(
    service: Service,
    container: Container,
    at: At,
    overrides: Overrides,
    schema_of: SchemaOf = lambda options: None,
) -> Rendered:
    """Every file of the container's config directory on this host, by name."""
    declared = {**container.files(at), **certificates.files_of(container, at)}
    declared["ca.pem"] = File(
        content=AUTHORITY.part("certificate") + "\n", path=CA_PATH, mode="0644"
    )
    rendered = [
        _config_file(service, container, name, file, at, overrides, schema_of)
        for name, file in declared.items()
    ]
    again = tuple(
        PlacedFile(name=file.name, path=of.path, owner=of.owner, mode=of.mode)
        for file in rendered
        if file.fixed is not None and (of := declared[file.name])
    )
    rendered.append(ConfigFile(name="config.json", text=_start_file(container, declared)))
    waits = container.waits(at)
    if waits:
        targets = [{k: v for k, v in asdict(awaited).items() if v} for awaited in waits]
        rendered.append(ConfigFile(name="wait.json", text=json.dumps(targets, indent=1) + "\n"))
    return Rendered(files=tuple(sorted(rendered, key=lambda f: f.name)), again=again)


def _config_file(
    service: Service,
    container: Container,
    name: str,
    file: File,
    at: At,
    overrides: Overrides,
    schema_of: SchemaOf,
) -> ConfigFile:
    whole = container.reload is not None and file.reload
    if isinstance(file.content, str):
        return ConfigFile(name=name, text=file.content, fixed="" if whole else None)
    layers = _layers(service, container, name, file.content, at, overrides)
    merged = ini.merge(*(fragment for _, fragment in layers))
    fixed = "" if whole else _fixed(container, file, merged, schema_of)
    return ConfigFile(name=name, text=ini.render(merged), fixed=fixed)


def _fixed(container: Container, file: File, merged: ini.Ini, schema_of: SchemaOf) -> str | None:
    """The file without what the running process takes over; None when it takes nothing."""
    if not (container.reload and container.reload.signal and file.options):
        return None
    schema = schema_of(file.options)
    if schema is None:
        return None
    value_of = lookup_of(ini.settings([("", merged)]))
    kept = {
        section: {
            option: value
            for option, value in options.items()
            if not ((known := schema.option(section, option, value_of)) and known.mutable)
        }
        for section, options in merged.items()
    }
    return ini.render({section: options for section, options in kept.items() if options})


def _layers(
    service: Service,
    container: Container,
    name: str,
    declared: ini.Ini,
    at: At,
    overrides: Overrides,
) -> tuple[tuple[str, ini.Ini], ...]:
    own = ((service.name, declared),)
    return own + tuple(overrides.for_file(container.name, name, at.host.name))


def _start_file(container: Container, files: Mapping[str, File]) -> str:
    """`config.json`, as the Kolla image contract has it (every release reads this form)."""
    contract = {
        "command": container.command,
        "config_files": [
            {
                "source": f"{CONFIG_MOUNT}/{name}",
                "dest": file.path,
                "owner": file.owner,
                "perm": file.mode,
            }
            for name, file in sorted(files.items())
        ],
        "permissions": list(_permissions(container)),
    }
    return json.dumps(contract, indent=1) + "\n"


def _permissions(container: Container) -> Iterable[dict[str, object]]:
    for permission in container.permissions:
        entry: dict[str, object] = {
            "path": permission.path,
            "owner": permission.owner,
            "recurse": permission.recurse,
        }
        if permission.mode:
            entry["perm"] = permission.mode
        yield entry

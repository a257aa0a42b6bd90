"""The option schemas of a release, read from its data files as they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudwright.declare.options import OptionSet
from cloudwright.images.option_data import kept_text
from cloudwright.model.option import Default, Option, Type
from cloudwright.model.schema import Schema, folded

Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schemas:
    """Those of one release; each data file is read once."""

    release: str
    _projects: dict[str, Data] = field(default_factory=dict)
    _made: dict[tuple[str, tuple[str, ...]], Schema] = field(default_factory=dict)

    def of(self, options: OptionSet) -> Schema | None:
        """The schema of a file that declares `options`; None when the release has no data."""
        key = (options.project, options.namespaces)
        if key not in self._made:
            data = self._data(options.project)
            if not data:
                return None
            self._made[key] = make_schema(data, options)
        return self._made[key]

    def _data(self, project: str) -> Data:
        if project not in self._projects:
            text = kept_text(self.release, project)
            self._projects[project] = json.loads(text) if text else {}
        return self._projects[project]


class _Options(Mapping[str, Option]):
    """Those of one section, each made when it is asked for: a look at a cloud asks for
    few of a release's three thousand."""

    def __init__(self, section: str, said: Data) -> None:
        self._section = section
        self._said = said
        self._made: dict[str, Option] = {}

    def __getitem__(self, name: str) -> Option:
        if name not in self._made:
            self._made[name] = _option(self._section, name, self._said[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._said

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)


def make_schema(data: Data, options: OptionSet) -> Schema:
    """The schema of the namespaces that `options` names, of a project's data file."""
    sections: dict[str, dict[str, Data]] = {}
    for namespace in options.namespaces:
        for section, found in data["namespaces"].get(namespace, {}).items():
            known = sections.setdefault(folded(section), {})
            for name, said in found.items():
                # Two namespaces may tell of the same option: the project's own, named first, wins.
                known.setdefault(name, said)
    plugins: dict[str, Data] = {
        name: said for plugin in data["auth"].values() for name, said in plugin.items()
    }
    for name in ("auth_type", "auth_section"):
        plugins[name] = {"type": "string"}
    return Schema(
        sections={section: _Options(section, said) for section, said in sections.items()},
        plugins=_Options("", plugins),
        like=options.like,
        named_by=options.named_by,
        free=options.free,
    )


def _option(section: str, name: str, said: Data) -> Option:
    multi = bool(said.get("multi"))
    return Option(
        section=section,
        name=name,
        type=_type(said),
        multi=multi,
        default=_default(said.get("default"), multi),
        example=str(_written(said.get("example")) or ""),
        former=tuple((folded(s), n) for s, n in said.get("deprecated", ())),
        removal=bool(said.get("removal")),
        reason=said.get("reason", ""),
        since=said.get("since", ""),
        secret=bool(said.get("secret")),
        required=bool(said.get("required")),
        mutable=bool(said.get("mutable")),
        advanced=bool(said.get("advanced")),
        help=said.get("help", ""),
    )


def _type(said: Data) -> Type:
    return Type(
        kind=said["type"],
        choices=tuple(str(choice) for choice in said.get("choices", ())),
        min=said.get("min"),
        max=said.get("max"),
        max_length=said.get("max_length", 0),
        min_length=said.get("min_length", 0),
        regex=said.get("regex", ""),
        ignore_case=bool(said.get("ignore_case")),
        quotes=bool(said.get("quotes")),
        bounds=bool(said.get("bounds")),
        schemes=tuple(said.get("schemes", ())),
        version=said.get("version", 0),
        separator=said.get("separator", ":"),
        of=_type(said["of"]) if "of" in said else None,
    )


def _default(value: Any, multi: bool) -> Default:
    if multi and isinstance(value, list):
        return tuple(str(_written(item)) for item in value)
    return _written(value)


def _written(value: Any) -> str | None:
    """A default as it would stand in a file."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case list():
            return ",".join(str(item) for item in value)
        case dict():
            return ",".join(f"{key}:{item}" for key, item in value.items())
        case _:
            return str(value)

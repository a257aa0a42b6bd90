"""Inside an image: write what each option of oslo.config's namespaces may be, as JSON.

`python3 options.py FILE NAMESPACE…`; nothing but the image's own Python packages is used.
"""

import importlib.metadata
import inspect
import json
import sys
from typing import Any

from oslo_config import types

KINDS = (
    # The more particular first: a Port is an Integer.
    (types.Boolean, "boolean"),
    (types.Port, "port"),
    (types.Integer, "integer"),
    (types.Float, "float"),
    (types.List, "list"),
    (types.Dict, "dict"),
    (types.Range, "range"),
    (types.HostDomain, "host domain"),
    (types.HostAddress, "host address"),
    (types.Hostname, "host name"),
    (types.IPAddress, "IP address"),
    (types.URI, "URI"),
    (types.String, "string"),
)
PLAIN = {bool: "boolean", int: "integer", float: "float"}


def kind_of(type_: Any) -> dict[str, Any]:
    """The kind of a type, with what bounds it; a type that oslo.config does not know is text."""
    if inspect.isclass(type_):
        kind = PLAIN.get(type_, "string")
    else:
        kind = next((name for known, name in KINDS if isinstance(type_, known)), "string")
    said: dict[str, Any] = {"type": kind}
    choices = getattr(type_, "choices", None)
    regex = getattr(type_, "regex", None)
    bounds = {
        "choices": list(choices) if choices else None,
        "min": getattr(type_, "min", None),
        "max": getattr(type_, "max", None),
        "max_length": getattr(type_, "max_length", None),
        "min_length": getattr(type_, "min_length", None),
        "regex": regex.pattern if regex else None,
        "ignore_case": getattr(type_, "ignore_case", None),
        "quotes": getattr(type_, "quotes", None),
        "bounds": getattr(type_, "bounds", None),
        "schemes": getattr(type_, "schemes", None),
        "version": getattr(type_, "version", None),
        "separator": getattr(type_, "key_value_separator", None),
    }
    if said["type"] == "port":
        # Every port has these.
        bounds["min"] = bounds["min"] or None
        bounds["max"] = None if bounds["max"] == types.Port.PORT_MAX else bounds["max"]
    for inner in ("item_type", "value_type"):
        if isinstance(getattr(type_, inner, None), types.ConfigType):
            of = kind_of(getattr(type_, inner))
            bounds["of"] = None if of == {"type": "string"} else of
    said.update({name: value for name, value in bounds.items() if value not in (None, False, 0)})
    if bounds["min"] == 0 and said["type"] != "port":
        said["min"] = 0
    return said


def plain(value: Any) -> Any:
    """A default as JSON can hold it."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def told(option: Any, group: str) -> dict[str, Any]:
    """All of one option; what is as it mostly is stays out."""
    default, sample = plain(option.default), plain(getattr(option, "sample_default", None))
    if default is not None and sample is not None:
        # A sample stands where the default is a fact of the machine: its name, its address.
        default, sample = sample, None
    said = {
        **kind_of(option.type),
        "multi": bool(option.multi),
        "default": default,
        "example": sample,
        "deprecated": old_names(option, group),
        "removal": bool(option.deprecated_for_removal),
        "reason": " ".join(str(option.deprecated_reason or "").split()),
        "since": str(option.deprecated_since or ""),
        "secret": bool(option.secret),
        "required": bool(option.required),
        "mutable": bool(getattr(option, "mutable", False)),
        "advanced": bool(option.advanced),
        "help": inspect.cleandoc(str(option.help or "")),
    }
    return {key: value for key, value in said.items() if value not in (None, False, "", [])} | (
        {"default": False} if said.get("default") is False else {}
    )


def old_names(option: Any, group: str) -> list[list[str]]:
    """Section and name of what the option was called before."""
    found = {
        (str(old.group or group), str(old.name or option.dest).replace("-", "_"))
        for old in option.deprecated_opts
    }
    return [list(name) for name in sorted(found - {(group, option.dest)})]


def listed(entry: importlib.metadata.EntryPoint) -> dict[str, dict[str, Any]]:
    """Section → option name → what it may be, for one namespace."""
    sections: dict[str, dict[str, Any]] = {}
    for group, options in entry.load()():
        name = getattr(group, "name", group) or "DEFAULT"
        for option in options:
            # In files a dash is an underscore.
            sections.setdefault(str(name), {})[option.dest] = told(option, str(name))
    return sections


def plugins() -> dict[str, dict[str, Any]]:
    """Authentication plugin → option → what it may be; sections with `auth_type` take them."""
    try:
        from keystoneauth1 import loading
    except ImportError:
        return {}
    loaders: dict[str, Any] = loading.get_available_plugin_loaders()
    return {
        name: {option.dest: told(option._to_oslo_opt(), "") for option in loader.get_options()}
        for name, loader in sorted(loaders.items())
    }


def main() -> None:
    """Defaults first, as oslo.config's own generator does: projects change those of libraries."""
    path, *wanted = sys.argv[1:]
    points = importlib.metadata.entry_points()
    entries = {entry.name: entry for entry in points.select(group="oslo.config.opts")}
    changes = {entry.name: entry for entry in points.select(group="oslo.config.opts.defaults")}
    missing = [name for name in wanted if name not in entries]
    if missing:
        sys.exit(f"no namespace {', '.join(missing)}; there are {', '.join(sorted(entries))}")
    for name in wanted:
        if name in changes:
            changes[name].load()()
    found = {name: listed(entries[name]) for name in wanted}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"namespaces": found, "auth": plugins()}, file, sort_keys=True)


main()

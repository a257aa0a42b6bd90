"""OpenStack configuration as data: merged in order, every option knowing who set it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Value = str | int | float | bool | tuple[str, ...] | None
"""One option's value. A tuple is a multi-valued option: one line each. None removes the option."""

Ini = Mapping[str, Mapping[str, Value]]
"""Section → option → value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One effective option: its value and who set it (`glance`, `config/nova.conf:12`)."""

    section: str
    option: str
    value: Value
    origin: str


def merge(*fragments: Ini) -> dict[str, dict[str, Value]]:
    """Later fragments win, option by option. None in a later fragment removes the option."""
    merged: dict[str, dict[str, Value]] = {}
    for fragment in fragments:
        for section, options in fragment.items():
            target = merged.setdefault(section, {})
            for option, value in options.items():
                if value is None:
                    target.pop(option, None)
                else:
                    target[option] = value
    return merged


def settings(layers: Iterable[tuple[str, Ini]]) -> tuple[Setting, ...]:
    """The effective options of `(origin, fragment)` layers, with the origin that won."""
    effective: dict[tuple[str, str], Setting] = {}
    for origin, fragment in layers:
        for section, options in fragment.items():
            for option, value in options.items():
                key = (section, option)
                if value is None:
                    effective.pop(key, None)
                else:
                    effective[key] = Setting(
                        section=section, option=option, value=value, origin=origin
                    )
    return tuple(effective.values())


def render(ini: Ini) -> str:
    """The text of an INI file: sections and options in the order in which they were first set."""
    blocks = []
    for section, options in ini.items():
        lines = [f"[{section}]"]
        for option, value in options.items():
            lines += [f"{option} = {text}" for text in texts(value)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def texts(value: Value) -> tuple[str, ...]:
    """A value as a file has it: one text for each time that the option is given."""
    match value:
        case None:
            return ()
        case bool():
            return ("true" if value else "false",)
        case tuple():
            return value
        case _:
            return (str(value),)

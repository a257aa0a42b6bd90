"""All options that one file may hold, and what is wrong with a file that holds others."""

from __future__ import annotations

import difflib
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from cloudwright.model.option import Option, expected

Lookup = Callable[[str, str], str]
"""(section, option) → the value that the whole file gives it; empty when it gives none."""

MAX_SHOWN = 60
"""Characters of a wrong value that an error repeats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something wrong with one setting of a file.

    `unknown` when this file knows no such option; `at_value` is which of the values is meant (an
    index), None when the option is; a `warning` is no reason to refuse the file.
    """

    text: str
    hint: str = ""
    warning: bool = False
    unknown: bool = False
    at_value: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """Section → option name → option, and the sections that are not fixed.

    `plugins` are options of every way to authenticate, which sections with `auth_type` take;
    `like`, `named_by` and `free` are as `declare.options.OptionSet` says.
    """

    sections: Mapping[str, Mapping[str, Option]]
    plugins: Mapping[str, Option] = field(default_factory=dict)
    like: Mapping[str, str] = field(default_factory=dict)
    named_by: Mapping[str, str] = field(default_factory=dict)
    free: tuple[str, ...] = ()

    def section(self, name: str, value_of: Lookup) -> Mapping[str, Option] | None:
        """The options of a section; None when there is no such section.

        `value_of` tells what the file says of the options that name sections.
        """
        name = folded(name)
        found = self.sections.get(self.like.get(name, name))
        if found is None:
            kind = next((k for n, k in self._named(value_of) if n == name), "")
            found = self.sections.get(kind)
        if found is not None and _authenticates(found):
            return ChainMap(found, self.plugins)  # type: ignore[arg-type]  # nothing is written
        if found is None and name in self._auth_sections(value_of):
            return self.plugins
        return found

    def option(self, section: str, name: str, value_of: Lookup) -> Option | None:
        """The option that a file means by a name, an old one as well; None when there is none."""
        known = self.section(section, value_of)
        name = name.replace("-", "_")
        if known and name in known:
            return known[name]
        return self._renamed(section, name)

    def faults(
        self, section: str, name: str, values: tuple[str, ...], value_of: Lookup
    ) -> Iterator[Fault]:
        """Everything that is wrong with one setting of a file."""
        option = self.option(section, name, value_of)
        if option is None:
            words = (folded(section), f"{folded(section)}.{name}")
            if not any(fnmatchcase(word, pattern) for pattern in self.free for word in words):
                yield self._unknown(section, name, value_of)
            return
        own = self.section(section, value_of)
        if own is None or name.replace("-", "_") not in own:
            yield Fault(
                text=f'"{name}" is an old name of [{option.section}] {option.name}',
                hint=f"write {option.name} in [{option.section}]",
                warning=True,
            )
        if option.removal:
            since = f" since {option.since}" if option.since else ""
            text = f'"{name}" is deprecated{since}, and will be removed'
            yield Fault(text=text, hint=option.reason, warning=True)
        if len(values) > 1 and not option.multi:
            text = f'"{name}" is given {len(values)} times, and the last one counts'
            yield Fault(text=text, warning=True)
        for index, value in enumerate(values):
            if wanted := expected(option.type, value):
                found = "that" if option.secret else f'"{_short(value)}"'
                yield Fault(
                    text=f'"{name}" must be {wanted}, not {found}',
                    hint=_nearest(value, option.type.choices),
                    at_value=index,
                )

    def _unknown(self, section: str, name: str, value_of: Lookup) -> Fault:
        own = self.section(section, value_of)
        if own is None:
            hint = _nearest(section, self._section_names(value_of))
            return Fault(text=f"no section [{section}] is read", hint=hint, unknown=True)
        elsewhere = sorted(s for s, options in self.sections.items() if name in options)
        near = _nearest(name, own)
        if not near and elsewhere:
            near = "it is an option of " + ", ".join(f"[{s}]" for s in elsewhere[:4])
        text = f'unknown option "{name}" in [{section}]'
        return Fault(text=text, hint=near, unknown=True)

    def _section_names(self, value_of: Lookup) -> list[str]:
        return [*self.sections, *self.like, *(name for name, _ in self._named(value_of))]

    def _renamed(self, section: str, name: str) -> Option | None:
        wanted = (folded(section), name)
        for options in self.sections.values():
            for option in options.values():
                if wanted in option.former:
                    return option
        # Plugins' own options are in whichever section names the plugin.
        if _authenticates(self.sections.get(folded(section), {})):
            return next((o for o in self.plugins.values() if ("", name) in o.former), None)
        return None

    def _named(self, value_of: Lookup) -> Iterator[tuple[str, str]]:
        """(section, section that it is like) for each that an option names."""
        for place, kind in self.named_by.items():
            section, _, name = place.partition(".")
            default = self.sections.get(section, {}).get(name)
            text = value_of(section, name) or str((default and default.default) or "")
            for word in text.split(","):
                yield folded(word.partition(":")[0].strip()), kind

    def _auth_sections(self, value_of: Lookup) -> set[str]:
        """Sections that others take their credentials from."""
        return {
            folded(value)
            for section, options in self.sections.items()
            if "auth_section" in options and (value := value_of(section, "auth_section"))
        }


def _authenticates(section: Mapping[str, Option]) -> bool:
    """Whether it takes credentials: not every project lists all that it reads of them."""
    return "auth_type" in section or "auth_url" in section


def folded(section: str) -> str:
    """A section's name as oslo.config compares it: in small letters, but for DEFAULT."""
    return section if section == "DEFAULT" else section.lower()


def _nearest(word: str, known: Mapping[str, object] | list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, [k for k in known if k != word], n=1, cutoff=0.7)
    return f'did you mean "{close[0]}"?' if close else ""


def _short(value: str) -> str:
    first = value.splitlines()[0] if value else ""
    return first if len(first) <= MAX_SHOWN else first[: MAX_SHOWN - 1] + "…"

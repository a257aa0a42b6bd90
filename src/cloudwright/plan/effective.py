"""The options that a container really has: value, origin and what upstream says of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cloudwright.declare.at import At
from cloudwright.declare.ini import texts
from cloudwright.declare.service import Container
from cloudwright.model.option import Option
from cloudwright.model.overrides import Overrides
from cloudwright.plan import masking
from cloudwright.plan.options import SchemaOf, lookup_of
from cloudwright.plan.provenance import DEFAULT, provenance

NOTHING = "nothing"
"""What an option without a default has when no file says anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effective:
    """One option of one file; `values` as they may be shown, none where upstream has none."""

    file: str
    section: str
    option: str
    values: tuple[str, ...]
    origin: str
    known: Option | None = None
    signal: str = ""
    """By which a running process takes another value; none when that needs a restart."""

    @property
    def shown(self) -> str:
        """The value in one line."""
        return ", ".join(" ".join(v.split()) or '""' for v in self.values) or NOTHING


def effective_options(
    container: Container, at: At, overrides: Overrides, schema_of: SchemaOf
) -> tuple[Effective, ...]:
    """What each INI file of the container sets, then what its service takes by itself.

    Defaults come once, with the first file of those that a process reads together.
    """
    found: list[Effective] = []
    defaults: list[Effective] = []
    for name, file in container.files(at).items():
        settings = provenance(container, name, at, overrides)
        schema = schema_of(file.options) if file.options else None
        value_of = lookup_of(settings)
        for setting in settings:
            known = schema.option(setting.section, setting.option, value_of) if schema else None
            found.append(
                Effective(
                    file=name,
                    section=setting.section,
                    option=setting.option,
                    values=tuple(
                        masking.value(text, known, setting.option, named=True)
                        for text in texts(setting.value)
                    ),
                    origin=setting.origin,
                    known=known,
                    signal=_signal(container, known),
                )
            )
        for section in schema.sections.values() if schema else ():
            defaults += [
                _default(name, option, _signal(container, option)) for option in section.values()
            ]
    told = {(one.section, one.option) for one in found}
    for one in defaults:
        if (one.section, one.option) not in told:
            told.add((one.section, one.option))
            found.append(one)
    return tuple(found)


def _signal(container: Container, known: Option | None) -> str:
    return container.reload.signal if container.reload and known and known.mutable else ""


def _default(file: str, option: Option, signal: str) -> Effective:
    default = option.default
    return Effective(
        file=file,
        section=option.section,
        option=option.name,
        values=() if default is None else (default,) if isinstance(default, str) else default,
        origin=DEFAULT,
        known=option,
        signal=signal,
    )


def listing(options: Sequence[Effective]) -> Iterator[str]:
    """Line by line: each file, section and option, with its origin and what it is for."""
    file = section = ""
    for one in options:
        if (one.file, one.section) != (file, section):
            if one.file != file:
                yield ""
                yield one.file
            file, section = one.file, one.section
            yield f"  [{section}]"
        yield f"    {one.option} = {one.shown}  ({one.origin})"
        if one.known and one.known.help:
            yield f"        {_first(one.known.help)}"


def details(one: Effective) -> Iterator[str]:
    """All that is known of one option, the upstream help text whole."""
    yield f"{one.file} [{one.section}] {one.option} = {one.shown}"
    yield f"origin:   {one.origin}"
    known = one.known
    if known is None:
        yield "upstream: nothing is known of it"
        return
    yield f"type:     {_kind(known)}"
    yield f"default:  {_shown_default(known)}"
    yield f"a change: {f'is taken at {one.signal}' if one.signal else 'needs a restart'}"
    if known.removal:
        yield f"removal:  {' '.join((known.since, known.reason)).strip() or 'announced'}"
    if known.former:
        yield "once:     " + ", ".join(f"[{s}] {n}" if s else n for s, n in known.former)
    yield ""
    yield from (f"  {line}".rstrip() for line in known.help.splitlines())


def options_json(options: Sequence[Effective]) -> list[dict[str, Any]]:
    """As plain data; `default`, `type` and `help` are upstream's, null where it knows nothing.

    `signal` is null where a change needs a restart.
    """
    return [
        {
            "file": one.file,
            "section": one.section,
            "option": one.option,
            "value": list(one.values)
            if one.known and one.known.multi
            else (one.values[0] if one.values else None),
            "origin": one.origin,
            "default": _shown_default(one.known) if one.known else None,
            "type": _kind(one.known) if one.known else None,
            "mutable": one.known.mutable if one.known else None,
            "signal": one.signal or None,
            "help": one.known.help if one.known else None,
        }
        for one in options
    ]


def _kind(option: Option) -> str:
    kind = option.type
    words = [f"{kind.kind}, given as often as wanted" if option.multi else kind.kind]
    if kind.choices:
        words.append("one of " + ", ".join(choice or '""' for choice in kind.choices))
    if kind.min is not None:
        words.append(f"{kind.min:g} or more")
    if kind.max is not None:
        words.append(f"{kind.max:g} or less")
    return "; ".join(words)


def _shown_default(option: Option) -> str:
    default = option.default
    text = default if isinstance(default, str) else ", ".join(default or ())
    if default is None:
        return f"{NOTHING}, such as {option.example}" if option.example else NOTHING
    return text or '""'


def _first(text: str) -> str:
    """The first sentence of a help text, in one line."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + stop.strip()

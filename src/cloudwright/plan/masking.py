"""Values as they may be shown: what is or looks like a secret is told of and never printed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cloudwright.model.option import Option
from cloudwright.model.secrets import find_placeholders, pattern_of, told

MASK = "(secret)"
UNKNOWN = "(a secret that is not ours)"
"""What stands on a host where one of our secrets belongs, and is none of them."""

_CREDENTIALS = re.compile(r"(?P<before>://[^:/@\s]*:)(?P<word>[^@/\s]+)@")
_TELLING = re.compile(
    r"(?:pass(?:word|wd|phrase)|secret|token|(?:^|[_-])key|cookie|auth)s?$", re.I
)
_ASSIGNED = re.compile(r"(?P<name>[\w.-]+)(?P<sign>[\"']?\s*[=:]\s*)(?P<value>\S.*)")
_RANDOM = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_HEXADECIMAL = re.compile(r"[0-9a-f]{32,}")


def value(text: str, option: Option | None, name: str, *, named: bool = False) -> str:
    """One value of an option as it may be shown.

    Our placeholders are told with their generation (and their name when `named`); a value that
    upstream calls secret, or whose name says so where upstream says nothing, is not shown.
    """
    if find_placeholders(text):
        return told(_without_credentials(text), named=named)
    secret = option.secret if option else bool(_TELLING.search(name))
    return MASK if secret and text else _without_credentials(text)


def found(text: str, declared: Iterable[str], option: Option | None, name: str) -> str:
    """A value that was found on a host, where `declared` are the values that belong there.

    A host's file may hold anything: where one of our secrets belongs, what is none of ours is
    not shown, and neither is a long word that looks drawn by lot and is in no declared value.
    """
    declared = tuple(declared)
    if find_placeholders(text):
        return told(_drawn(_without_credentials(text), declared))
    if any(find_placeholders(one) for one in declared):
        return _as_declared(text, declared)
    return _drawn(value(text, option, name), declared)


def found_line(text: str, declared: Iterable[str]) -> str:
    """A line of a text file that was found on a host, where `declared` are those of ours."""
    declared = tuple(declared)
    if text in declared:
        return told(text)
    with_secrets = [line for line in declared if find_placeholders(line)]
    if not find_placeholders(text):
        for line in with_secrets:
            pattern = pattern_of(line)
            if pattern and pattern.fullmatch(text):
                return _as_declared(text, (line,))
    assigned = _ASSIGNED.search(text)
    if assigned and _TELLING.search(assigned["name"]) and not find_placeholders(text):
        return text[: assigned.start("value")] + MASK
    return told(_drawn(_without_credentials(text), declared))


def _as_declared(text: str, declared: tuple[str, ...]) -> str:
    """The found value with what stands in a secret's place told of."""
    for one in declared:
        pattern = pattern_of(one)
        match = pattern.fullmatch(text) if pattern else None
        if match:
            for group in range(match.re.groups, 0, -1):
                text = text[: match.start(group)] + UNKNOWN + text[match.end(group) :]
            return text
    return UNKNOWN


def _without_credentials(text: str) -> str:
    return _CREDENTIALS.sub(
        lambda m: m[0] if find_placeholders(m["word"]) else f"{m['before']}{MASK}@", text
    )


def _drawn(text: str, declared: tuple[str, ...]) -> str:
    """`text` without long words of letters and figures that no declared value has."""

    def shown(match: re.Match[str]) -> str:
        word = match[0]
        mixed = all(re.search(kind, word) for kind in ("[0-9]", "[a-z]", "[A-Z]"))
        drawn = mixed or _HEXADECIMAL.fullmatch(word)
        return MASK if drawn and not any(word in one for one in declared) else word

    return _RANDOM.sub(shown, text)

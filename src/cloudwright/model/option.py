"""One option of an OpenStack service, and whether a text may stand as its value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TRUE = ("true", "1", "on", "yes")
FALSE = ("false", "0", "off", "no")
MAX_PORT = 65535

_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_DOMAIN_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://[^/?#\s]+[^\s]*")
_RANGE = re.compile(r"(?:0|-?[1-9][0-9]*)(?:-(?:0|-?[1-9][0-9]*))?")
_REFERENCE = re.compile(r"(?<![\\$])\$(?:\{|[A-Za-z_(])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Type:
    """What a value may be: oslo.config's types as data.

    `kind` is one of boolean, port, integer, float, list, dict, range, "host domain",
    "host address", "host name", "IP address", URI, string. What bounds it does so as oslo.config
    has it; `of` is the type of a list's items or of a dict's values.
    """

    kind: str
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    max_length: int = 0
    min_length: int = 0
    regex: str = ""
    ignore_case: bool = False
    quotes: bool = False
    bounds: bool = False
    schemes: tuple[str, ...] = ()
    version: int = 0
    separator: str = ":"
    of: Type | None = None


Default = str | tuple[str, ...] | None
"""As it would be written in a file; a tuple of an option that may be given repeatedly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option as its project declares it.

    `former` are (section, name) that it once had; `removal` says that it will go, `reason` and
    `since` why and when; `mutable` that a running process takes a new value; `secret` that its
    value must never be shown.
    """

    section: str
    name: str
    type: Type
    multi: bool = False
    default: Default = None
    example: str = ""
    former: tuple[tuple[str, str], ...] = ()
    removal: bool = False
    reason: str = ""
    since: str = ""
    secret: bool = False
    required: bool = False
    mutable: bool = False
    advanced: bool = False
    help: str = ""


def expected(type: Type, text: str) -> str:
    """What the value must be when `text` is none (`a whole number`); empty when it is one.

    A text that refers to another option (`$my_ip`) is taken as right: what it becomes is known to
    the process alone.
    """
    if _REFERENCE.search(text):
        return ""
    return _expected(type, text)


def _expected(type: Type, text: str) -> str:
    match type.kind:
        case "boolean":
            return "" if text.lower() in TRUE + FALSE else "true or false"
        case "integer" | "port" | "float":
            return _number(type, text)
        case "list":
            return _list(type, text)
        case "dict":
            return _dict(type, text)
        case "range":
            return "" if _RANGE.fullmatch(text) else "a range, such as 1-5"
        case "host address" | "host domain" | "host name" | "IP address":
            return _address(type, text)
        case "URI":
            return _uri(type, text)
        case _:
            return _string(type, text)


def _number(type: Type, text: str) -> str:
    if not text.strip():
        return ""
    noun = "a number" if type.kind == "float" else "a whole number"
    try:
        value = float(text) if type.kind == "float" else int(text)
    except ValueError:
        return noun
    if type.choices:
        return "" if str(value) in type.choices else _one_of(type.choices)
    low = 0 if type.kind == "port" and type.min is None else type.min
    high = MAX_PORT if type.kind == "port" and type.max is None else type.max
    if (low is None or value >= low) and (high is None or value <= high):
        return ""
    if high is None:
        return f"{noun}, {low:g} or more"
    return f"{noun}, {high:g} or less" if low is None else f"{noun} from {low:g} to {high:g}"


def _string(type: Type, text: str) -> str:
    if type.quotes and text[:1] in ("'", '"') and text:
        if len(text) == 1 or text[-1] != text[0]:
            return "closed by the quote that it begins with"
        text = text[1:-1]
    if type.max_length and len(text) > type.max_length:
        return f"at most {type.max_length} characters"
    flags = re.IGNORECASE if type.ignore_case else 0
    if type.regex and not re.search(type.regex, text, flags):
        return f"a match of {type.regex}"
    if not type.choices:
        return ""
    fold = str.lower if type.ignore_case else str
    return "" if fold(text) in map(fold, type.choices) else _one_of(type.choices)


def _one_of(choices: Sequence[str]) -> str:
    return "one of " + ", ".join(choice or '""' for choice in choices)


def _list(type: Type, text: str) -> str:
    text = text.strip().rstrip(",")
    if type.bounds:
        if not (text.startswith("[") and text.endswith("]")):
            return "a list in brackets, such as [one,two]"
        text = text[1:-1]
    parts = text.split(",") if text else []
    if len(parts) < type.min_length:
        return f"a list of {type.min_length} or more"
    wrong = _parts(parts, lambda part: _expected(type.of, part.strip()) if type.of else "")
    return f"a list, each of it {wrong}" if wrong else ""


def _dict(type: Type, text: str) -> str:
    text = text.strip()
    if type.bounds:
        if not (text.startswith("{") and text.endswith("}")):
            return "pairs in braces, such as {name:value}"
        text = text[1:-1]

    def of_pair(pair: str) -> str:
        key, separator, value = pair.partition(type.separator)
        if not separator or not key.strip():
            return f"name{type.separator}value"
        return _expected(type.of, value.strip()) if type.of else ""

    wrong = _parts(text.split(",") if text else [], of_pair)
    return f"pairs with commas between them, each {wrong}" if wrong else ""


def _parts(parts: list[str], wrong_with: Any) -> str:
    """oslo.config's way with commas: what is no item alone may be one with what follows."""
    rest = list(parts)
    while rest:
        part = rest.pop(0)
        first = wrong = wrong_with(part)
        while wrong and rest:
            part += "," + rest.pop(0)
            wrong = wrong_with(part)
        if wrong:
            return str(first)
    return ""


def _address(type: Type, text: str) -> str:
    noun = f"an IPv{type.version} address" if type.version else "an IP address"
    if type.kind != "host name":
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            address = None
        if address and type.version in (0, address.version):
            return ""
        if type.kind == "IP address":
            return noun
    label = _DOMAIN_LABEL if type.kind == "host domain" else _HOST_LABEL
    labels = text.removesuffix(".").split(".")
    named = len(text) <= 253 and all(label.fullmatch(part) for part in labels)
    # All figures in its last part: a mistyped address rather than a name.
    if named and not labels[-1].isdecimal():
        return ""
    return "a host's name" if type.kind == "host name" else f"{noun} or a host's name"


def _uri(type: Type, text: str) -> str:
    found = _URI.fullmatch(text)
    if not found:
        return "a URI, such as https://host/path"
    if type.schemes and found["scheme"].lower() not in type.schemes:
        return "a URI of " + ", ".join(type.schemes)
    if type.max_length and len(text) > type.max_length:
        return f"at most {type.max_length} characters"
    return ""

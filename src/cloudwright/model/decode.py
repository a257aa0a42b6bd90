"""A tree of keys becomes typed values, by the fields of the dataclasses that describe a cloud."""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cloudwright.errors import Problem
from cloudwright.model.document import Items, Keys, Scalar, Tree

Path = tuple[str, ...]
"""Keys from the top of the file to a value: `("hosts", "aio", "address")`."""

Place = tuple[int, int]
"""Line and column, counted from 1; 0 is unknown."""


class UnreadableError(Exception):
    """A value of another type than asked for; its problem has been noted."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What reading finds on its way: problems, and where each value stands."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    places: dict[Path, Place] = field(default_factory=dict)

    def problem(self, at: Tree, text: str, hint: str = "") -> None:
        """Note that something is wrong at `at`."""
        self.problems.append(
            Problem(file=self.file, line=at.line, column=at.column, text=text, hint=hint)
        )


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is none of `known`: the nearest one, else all of them."""
    known = tuple(known)
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known: " + ", ".join(known) if known else ""


def decode(tree: Tree, hint: Any, path: Path, notes: Notes) -> Any:
    """The value of type `hint` that `tree` spells; UnreadableError when it does not.

    `hint` may be str, int, bool, a Literal, a tuple of any one type, an optional, or a dataclass
    of these. Notes each problem and the place of each value.
    """
    notes.places[path] = (tree.line, tree.column)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if isinstance(tree, Scalar) and tree.kind == "null":
            return None
        return decode(tree, next(a for a in arguments if a is not type(None)), path, notes)
    if origin is tuple:
        return _decode_many(tree, arguments[0], path, notes)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _decode_object(tree, hint, path, notes)
    return _decode_scalar(tree, hint, path, notes)


def _fail(tree: Tree, path: Path, expected: str, notes: Notes) -> UnreadableError:
    match tree:
        case Scalar(kind="null"):
            found = "nothing"
        case Scalar(text=text):
            found = f'"{text}"'
        case Items():
            found = "a list"
        case Keys():
            found = "a group of keys"
    notes.problem(tree, f'"{_label(path)}" must be {expected}, not {found}')
    return UnreadableError()


def _label(path: Path) -> str:
    return ".".join(path) or "cloud.yaml"


def _decode_scalar(tree: Tree, hint: Any, path: Path, notes: Notes) -> str | int | bool:
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        expected = "one of " + ", ".join(choices)
        if not isinstance(tree, Scalar) or tree.kind == "null":
            raise _fail(tree, path, expected, notes)
        if tree.text not in choices:
            said = f'"{_label(path)}" must be {expected}, not "{tree.text}"'
            close = difflib.get_close_matches(tree.text.lower(), choices, n=1)
            notes.problem(tree, said, f'did you mean "{close[0]}"?' if close else "")
            raise UnreadableError
        return tree.text
    if hint is bool:
        if isinstance(tree, Scalar) and tree.kind == "bool":
            return tree.text.lower() == "true"
        raise _fail(tree, path, "true or false", notes)
    if hint is int:
        # More digits than any number of a cloud has are not worth converting.
        if isinstance(tree, Scalar) and tree.text.isdecimal() and len(tree.text) < 10:
            return int(tree.text)
        raise _fail(tree, path, "a whole number", notes)
    assert hint is str, hint
    # Text is taken as it was written, so that `release: 2026.2` is not a broken fraction.
    if isinstance(tree, Scalar) and tree.kind != "null" and tree.text:
        return tree.text
    raise _fail(tree, path, "text", notes)


def _decode_many(tree: Tree, hint: Any, path: Path, notes: Notes) -> tuple[Any, ...]:
    if dataclasses.is_dataclass(hint):
        return _decode_named(tree, hint, path, notes)
    if not isinstance(tree, Items):
        raise _fail(tree, path, "a list, such as [one, two]", notes)
    return tuple(
        decode(item, hint, (*path, str(index)), notes) for index, item in enumerate(tree.items)
    )


def _decode_named(tree: Tree, hint: Any, path: Path, notes: Notes) -> tuple[Any, ...]:
    """Things with a name: a group of keys `name: {…}`, or a list of names alone."""
    pairs: list[tuple[Tree, Tree]]
    if isinstance(tree, Items):
        pairs = [(item, Keys(pairs=(), line=item.line, column=item.column)) for item in tree.items]
    elif isinstance(tree, Keys):
        pairs = [(key, _empty_as_keys(value)) for key, value in tree.pairs]
    else:
        raise _fail(tree, path, "a group of names", notes)
    things = []
    for key, value in pairs:
        if not isinstance(key, Scalar):
            _fail(key, path, "a list of names", notes)
            continue
        notes.places[(*path, key.text, "name")] = (key.line, key.column)
        try:
            things.append(_decode_object(value, hint, (*path, key.text), notes, name=key))
        except UnreadableError:
            continue
    return tuple(things)


def _empty_as_keys(tree: Tree) -> Tree:
    """`a:` with nothing behind it is a thing with no keys of its own."""
    if isinstance(tree, Scalar) and tree.kind == "null":
        return Keys(pairs=(), line=tree.line, column=tree.column)
    return tree


def _decode_object(
    tree: Tree, hint: type, path: Path, notes: Notes, *, name: Scalar | None = None
) -> Any:
    tree = _empty_as_keys(tree)
    if not isinstance(tree, Keys):
        raise _fail(tree, path, "a group of keys", notes)
    fields = decode_fields(tree, hint, path, notes, name=name)
    if fields is None:
        raise UnreadableError
    return hint(**fields)


def decode_fields(
    tree: Keys, hint: type, path: Path, notes: Notes, *, name: Scalar | None = None
) -> dict[str, Any] | None:
    """The values of the fields of dataclass `hint`, or None when one is missing or unreadable."""
    known, whole = read_fields(tree, hint, path, notes, name=name)
    return known if whole else None


def read_fields(
    tree: Keys, hint: type, path: Path, notes: Notes, *, name: Scalar | None = None
) -> tuple[dict[str, Any], bool]:
    """The readable fields of dataclass `hint`, and whether every one that was asked for is there.

    `name` is the key that the whole stands under, for things that have their name there.
    """
    # A thing's place is its name; that of a group without one is its first key.
    at: Tree = name or tree
    hints = get_type_hints(hint)
    shown = (f for f in dataclasses.fields(hint) if f.init)
    fields = {f.name: f for f in shown if name is None or f.name != "name"}
    values: dict[str, Any] = {} if name is None else {"name": name.text}
    whole = True
    given = {key.text for key, _ in tree.pairs}
    for key, value in tree.pairs:
        meant = key.text
        if key.text not in fields:
            place = f' in "{_label(path)}"' if path else ""
            notes.problem(key, f'unknown key "{key.text}"{place}', suggestion(key.text, fields))
            # Read as what was meant, so that one wrong letter does not hide other problems.
            meant = next(iter(difflib.get_close_matches(key.text.lower(), fields, n=1)), "")
            if not meant or meant in given:
                continue
            given.add(meant)
        try:
            values[meant] = decode(value, hints[meant], (*path, meant), notes)
        except UnreadableError:
            whole = False
    missing = [f'"{key}"' for key, f in fields.items() if key not in given and _is_required(f)]
    if missing:
        where = f'"{_label(path)}"' if path else "cloud.yaml"
        notes.problem(at, f"{where} has no {', '.join(missing)}")
    return values, whole and not missing


def _is_required(wanted: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return wanted.default is missing and wanted.default_factory is missing

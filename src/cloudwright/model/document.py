"""YAML text becomes a tree in which every key and value knows its line and column."""

from __future__ import annotations

from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from cloudwright.errors import Problem

MAX_BYTES = 512 * 1024
"""A thousand hosts fit well; what is longer is not a `cloud.yaml`."""

MAX_DEPTH = 16
"""The deepest key of a cloud is the fourth; a bound keeps hostile input off the stack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalar:
    """One plain value, as it was written. `kind` is YAML's: str, int, float, bool, null…"""

    text: str
    kind: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Items:
    """A list."""

    items: tuple[Tree, ...]
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """A mapping; a key that was there twice is here once and a problem."""

    pairs: tuple[tuple[Scalar, Tree], ...]
    line: int
    column: int

    def get(self, key: str) -> Tree | None:
        """The value of `key`, None when it is not there."""
        return next((value for name, value in self.pairs if name.text == key), None)


Tree = Scalar | Items | Keys


def parse(content: bytes, file: str) -> tuple[Tree | None, tuple[Problem, ...]]:
    """The tree of a YAML text, with what is wrong in it as YAML; no tree when it cannot be read.

    Nothing in the text is ever executed or expanded: tags, anchors and aliases are refused.
    """
    if len(content) > MAX_BYTES:
        text = f"{len(content)} bytes, more than the {MAX_BYTES} that a cloud.yaml may have"
        return None, (Problem(file=file, text=text),)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, (Problem(file=file, line=line, text="not UTF-8 text"),)
    try:
        refused = _refused(text, file)
        if refused:
            return None, refused
        node = YAML(pure=True).compose(text)
    except YAMLError as error:
        return None, (_syntax_problem(error, text, file),)
    if node is None:
        hint = "`cloudwright init` writes one"
        return None, (Problem(file=file, text="there is nothing in it", hint=hint),)
    problems: list[Problem] = []
    return _tree(node, file, problems), tuple(problems)


def _refused(text: str, file: str) -> tuple[Problem, ...]:
    """What YAML can do and a cloud.yaml has no use for, by its place."""
    problems = []
    depth = 0
    for event in YAML(pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        reason = ""
        if depth > MAX_DEPTH:
            reason = f"nested deeper than {MAX_DEPTH}"
        elif isinstance(event, AliasEvent):
            reason = f"an alias (*{event.anchor}): write the value out"
        elif isinstance(event, NodeEvent) and event.anchor is not None:
            reason = f"an anchor (&{event.anchor}): write the value where it is used"
        elif (tag := getattr(event, "tag", None)) is not None:
            reason = f"a tag ({tag}): plain values only"
        if reason:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            problems.append(Problem(file=file, line=line, column=column, text=reason))
        if depth > MAX_DEPTH:
            break
    return tuple(problems)


def _syntax_problem(error: YAMLError, text: str, file: str) -> Problem:
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = ", ".join(str(part) for part in (error.context, error.problem) if part)
        return Problem(
            file=file,
            line=mark.line + 1 if mark else 0,
            column=mark.column + 1 if mark else 0,
            text=f"not YAML: {said}",
            hint="look for a missing colon, quote or bracket, or a different indentation, "
            "here or on the line before",
        )
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        said = f"not YAML: a character that no text has (code {error.character:#x})"
        return Problem(file=file, line=line, text=said)
    return Problem(file=file, text=f"not YAML: {error}")


def _tree(node: Node, file: str, problems: list[Problem]) -> Tree:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if isinstance(node, ScalarNode):
        kind = str(node.tag).rsplit(":", 1)[-1]
        return Scalar(text=str(node.value), kind=kind, line=line, column=column)
    if isinstance(node, SequenceNode):
        items = tuple(_tree(item, file, problems) for item in node.value)
        return Items(items=items, line=line, column=column)
    assert isinstance(node, MappingNode)
    pairs: dict[str, tuple[Scalar, Tree]] = {}
    for key_node, value_node in node.value:
        key, value = _tree(key_node, file, problems), _tree(value_node, file, problems)
        if not isinstance(key, Scalar):
            said = "a key must be a plain word"
            problems.append(Problem(file=file, line=key.line, column=key.column, text=said))
        elif key.text in pairs:
            first = pairs[key.text][0]
            said = f'"{key.text}" is here twice (first on line {first.line})'
            problems.append(Problem(file=file, line=key.line, column=key.column, text=said))
        else:
            pairs[key.text] = (key, value)
    return Keys(pairs=tuple(pairs.values()), line=line, column=column)

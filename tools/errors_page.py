"""The page of every error: its text, what to do next, and the exit code, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright import errors

SOURCE = Path(errors.__file__).parent
NOT_OURS = ("program", "simulated")
"""Folders of what runs in containers, and of what only tests meet."""

GAP = "…"
"""What the error fills in."""

MEANINGS = {
    1: "some steps did not end well, and the rest went on; or it was a question and you said no",
    2: "the cloud's description or the command line is wrong; nothing was touched",
    3: "a check refused the plan; nothing was touched",
    4: "a host, an engine, or this machine could not do its part",
    5: "another run holds the cloud",
    130: "Ctrl-C",
}
CODES = {
    name: kind.exit_code
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CloudError)
} | {"Problem": errors.InvalidCloud.exit_code}


@dataclass(frozen=True, slots=True, order=True)
class Text:
    """One error of the source; `…` stands for what it fills in."""

    code: int
    what: str
    hint: str


def page() -> str:
    """The whole page: the exit codes, and a section for each with its errors by the alphabet."""
    parts = [
        "# Errors\n",
        "Every error says what happened, where, why, and what to do next. Here are the texts, by",
        f"the code with which the verb ends; `{GAP}` is what an error fills in. Written by",
        "`make reference` from the source. A bug of ours ends with 70.\n",
    ]
    texts = sorted(set(all_texts()))
    for code, meaning in MEANINGS.items():
        parts += [f"## {code}\n", f"{meaning[0].upper()}{meaning[1:]}.\n"]
        for text in texts:
            if text.code == code:
                parts.append(f"- {text.what}" + (f"\\\n  *{text.hint}*" if text.hint else ""))
        parts.append("")
    return "\n".join(parts)


def all_texts() -> Iterator[Text]:
    """Of every module of ours that an operator's machine runs."""
    for path in SOURCE.rglob("*.py"):
        inner = path.relative_to(SOURCE).parts
        if not set(NOT_OURS) & set(inner) and not path.name.startswith("fake"):
            yield from texts_of(ast.parse(path.read_text()))


def texts_of(tree: ast.AST) -> Iterator[Text]:
    """Where a function makes an error with a text that stands there, or that it gave a name."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes = [n for n in ast.walk(function) if isinstance(n, ast.Call | ast.Assign)]
            called = Called()
            for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
                if isinstance(node, ast.Assign):
                    called.give(node)
                else:
                    yield from made(node, called)


@dataclass(frozen=True, slots=True)
class Called:
    """What a function gave names to, so far: since a name was used last, all that it may be."""

    values: dict[str, list[ast.expr]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def give(self, node: ast.Assign) -> None:
        """Take in an assignment."""
        for target in node.targets:
            if isinstance(target, ast.Name):
                if target.id in self.used:
                    self.used.discard(target.id)
                    self.values.pop(target.id, None)
                self.values.setdefault(target.id, []).append(node.value)

    def texts(self, node: ast.expr | None) -> list[str]:
        """What an argument may say, itself or by its name."""
        nodes = [node] if node else []
        if isinstance(node, ast.Name):
            nodes = self.values.get(node.id, [])
            self.used.add(node.id)
        return [text for one in nodes if (text := words(one))]


def made(call: ast.Call, called: Called) -> Iterator[Text]:
    """The errors that a call makes: one for each text that its name may stand for."""
    match call.func:
        case ast.Name(id="Problem" | "Fault"):
            name, place = "Problem", len(call.args)
        case ast.Name(id=name) if name in CODES:
            place = 0
        case ast.Attribute(attr="problem"):
            name, place = "Problem", 1
        case _:
            return
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[place] if len(call.args) > place else keywords.get("text")
    hint = call.args[place + 1] if len(call.args) > place + 1 else keywords.get("hint")
    hints = called.texts(hint)
    for text in called.texts(given):
        what = f"`{text}` ended with {GAP}" if name == "CommandFailed" else text
        if text.strip(f"{GAP} :"):
            yield Text(CODES[name], escaped(what), escaped(" / ".join(hints)))


def words(node: ast.expr) -> str:
    """A text of the source with a gap for each thing that is filled in; empty for no text."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(words(value) or GAP for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (words(left) or GAP) + (words(right) or GAP)
        case ast.IfExp(body=body, orelse=other) if words(body) and words(other):
            return f"{words(body)} / {words(other)}"
        case _:
            return ""


def escaped(text: str) -> str:
    """On one line, with nothing that Markdown would take for its own outside of code."""
    parts = " ".join(text.split()).split("`")
    outside = [p.replace("*", r"\*").replace("<", r"\<").replace("_", r"\_") for p in parts[::2]]
    parts[::2] = outside
    return "`".join(parts)

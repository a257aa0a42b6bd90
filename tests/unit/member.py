"""The programs beside each member of a cluster, loaded as modules, and members that are down."""

from __future__ import annotations

import importlib.util
import sys
from importlib.resources import files
from pathlib import Path
from types import ModuleType


def program(package: str, name: str, *, folder: str = "program") -> ModuleType:
    """A program that containers run, loaded as a module."""
    path = Path(str(files(package).joinpath(folder, name)))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


agreement = program("cloudwright.declare.member", "agreement.py")
statements = program("cloudwright.declare.member", "statements.py")
agent = program("cloudwright.declare.member", "agent.py")
member = sys.modules["member"]  # the one that the agent has imported
ask = program("cloudwright.declare.member", "ask.py")
asked = program("cloudwright.services.selffence", "asked.py", folder=".")
asking = program("cloudwright.services.selffence", "asking.py")
galera = program("cloudwright.services.mariadb", "galera.py")
MEMBERS = ("a", "b", "c")
HISTORY = "899fd727-e583-11f1-8039-3bf80240a9ef"


def down(name: str, position: int, *view: str, history: str = HISTORY) -> object:
    return agent.Told(
        name=name,
        state=agent.DOWN,
        history=history if position >= 0 else "",
        position=position,
        view=view,
    )


def decide(own: object, *others: object) -> object:
    return agent.decide(own, {o.name: o for o in others}, MEMBERS)  # type: ignore[attr-defined]

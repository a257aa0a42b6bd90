"""Asks the agent beside it what it holds and waits for, or tells it which members are dead.

`state`: one line of JSON. `dead NAME...`: refused, with status 3 and the reason on standard error,
while a whole cluster is there or one of those members speaks.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import agent
import statements
from agreement import DOWN, FOUNDING, UP, Told, Wait, whole
from member import Adapter
from questions import ask_each


def main(words: list[str]) -> int:
    """Do what `words` say; the status to exit with."""
    settings = json.loads((agent.HERE / "member.json").read_text())
    secret = settings["secret"].encode()
    adapter = agent.load_adapter(str(agent.HERE / "adapter.py"), settings)
    if words[:1] == ["dead"] and len(words) > 1 and adapter.rejoins and adapter.kept:
        # Before they are asked: one that comes between finds it, one that was there answers.
        statements.propose(adapter.kept, words[1:], statements.last_whole(adapter.kept))
    told = ask_each(settings["members"], secret)
    own = told[settings["name"]]
    if words[:1] == ["state"]:
        print(json.dumps(state(own, told, adapter)))
        return 0
    if words[:1] == ["dead"] and len(words) > 1 and adapter.kept is not None:
        why = refusal(frozenset(words[1:]), own, told, rejoins=adapter.rejoins)
        if why:
            statements.withdraw(adapter.kept)
            print(why, file=sys.stderr)
            return 3
        assert own is not None
        statements.declare(adapter.kept, words[1:], own.view)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


def state(own: Told | None, told: dict[str, Told | None], adapter: Adapter) -> dict[str, object]:
    """What the member holds, and what it will do by what the others say now."""
    if own is None:
        return {"state": "cut off", "waits": "its server runs, without a majority"}
    others = {n: t for n, t in told.items() if t is not None and n != own.name}
    rejoins = adapter.rejoins
    is_whole = own.name in whole([own, *others.values()]) if rejoins else own.state == UP
    found = {**asdict(own), "waits": "", "whole": is_whole}
    if own.state == DOWN:
        decision = agent.choose(adapter, own, others, tuple(told))
        found["waits"] = decision.reason if isinstance(decision, Wait) else ""
    return found


def refusal(
    dead: frozenset[str],
    own: Told | None,
    told: dict[str, Told | None],
    *,
    rejoins: bool = False,
) -> str:
    """Why these members cannot be taken for dead; empty when they can.

    Of servers that agree among themselves (`rejoins`) one that runs may be stopped for it.
    """
    unknown = sorted(dead - told.keys())
    said = [t for t in told.values() if t]
    founding = [t.name for t in said if t.state == FOUNDING]
    busy = whole(said) if rejoins else [t.name for t in said if t.state != DOWN]
    up = sorted({*founding, *busy})
    alive = sorted(n for n in dead if told.get(n))
    if unknown:
        return f"{', '.join(unknown)} is no member; the members are {', '.join(told)}"
    if up:
        return f"{', '.join(up)} is part of a whole cluster, or founds one: there is one to join"
    if alive:
        return f"{', '.join(alive)} answers, so it is not dead"
    return "" if own else "its own server still runs; it stops by itself when it is cut off"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

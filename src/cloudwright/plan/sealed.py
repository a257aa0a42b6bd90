"""A contract as the text of a file, sealed with a secret of its cloud so that no edit passes."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cloudwright.errors import UnsafePlan
from cloudwright.model.secrets import Secret
from cloudwright.plan.contract import Contract, Origin, Promise
from cloudwright.plan.select import Selection

KIND = "cloudwright plan"
FORMAT = 1
SEAL = Secret(name="cloudwright/seal")
"""Whoever has the cloud's secrets can make a plan of it, and nobody else."""

_AGAIN = "nothing was touched; `cloudwright plan --out` writes one anew"


def identity_of(seal: str) -> str:
    """A public name of the cloud that `seal` (the secret's value) belongs to."""
    return _mac(seal, "identity")[:16]


def write(contract: Contract, seal: str) -> str:
    """The text of the file; `seal` is the value of `SEAL`."""
    body = json.loads(json.dumps(asdict(contract)))
    whole = {"kind": KIND, "format": FORMAT, **body}
    return json.dumps({**whole, "seal": _mac(seal, _canonical(whole))}, indent=1) + "\n"


def read(text: str, file: str, expected: Origin, seal: str) -> Contract:
    """The contract that a file holds, for the cloud and the version of `expected`.

    Raises UnsafePlan for what is no plan, cut short, of another version or another cloud, or
    edited; the first of these that is so.
    """
    data = _parsed(text, file)
    origin = data.get("origin")
    origin = origin if isinstance(origin, dict) else {}
    if data.get("format") != FORMAT or origin.get("version") != expected.version:
        raise _refused(
            f"the plan is of another version of cloudwright: {origin.get('version', 'unknown')}",
            file,
            f"this is {expected.version}",
        )
    if origin.get("cloud") != expected.cloud:
        raise _refused(
            "the plan is for another cloud",
            file,
            f"for {origin.get('cloud')}, not {expected.cloud}",
        )
    if origin.get("identity") != expected.identity:
        raise _refused(
            "the plan is for another cloud of this name",
            file,
            "it was made with other secrets than those beside this cloud.yaml",
        )
    given = str(data.pop("seal", ""))
    if not hmac.compare_digest(given.encode(), _mac(seal, _canonical(data)).encode()):
        raise _refused(
            "the plan was changed after it was made", file, "its seal does not fit what it says"
        )
    return _contract(data)


def _parsed(text: str, file: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        if text.lstrip().startswith(f'{{\n "kind": "{KIND}"'):
            raise _refused("the plan is damaged or cut short", file, why) from None
        raise _refused("this is not a plan", file, f"not JSON: {why}") from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise _refused("this is not a plan", file, "JSON, but not written by `cloudwright plan`")
    return data


def _contract(data: Mapping[str, Any]) -> Contract:
    """Sealed data is ours: its shape needs no second look."""
    origin = dict(data["origin"])
    chosen = origin.pop("selection")
    selection = Selection(services=tuple(chosen["services"]), hosts=tuple(chosen["hosts"]))
    return Contract(
        origin=Origin(**origin, selection=selection),
        steps=tuple(
            Promise(**{**s, "needs": tuple(s["needs"]), "after": tuple(s["after"])})
            for s in data["steps"]
        ),
        declared=dict(data["declared"]),
        found={id: (digest, why) for id, (digest, why) in data["found"].items()},
        strays=tuple(data["strays"]),
    )


def _canonical(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _mac(seal: str, text: str) -> str:
    return hmac.new(seal.encode(), text.encode(), hashlib.sha256).hexdigest()


def _refused(what: str, file: str, why: str) -> UnsafePlan:
    return UnsafePlan(what, where=file, why=why, hint=_AGAIN)

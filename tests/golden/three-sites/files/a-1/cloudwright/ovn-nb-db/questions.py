"""Questions from member to member, whose answers nobody else can give."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from agreement import Told

ASK_SECONDS = 1.0
"""A member that does not answer for this long is asked again, and is not there meanwhile."""

LATER = ("left", "dead")
"""Fields of `Told` that agents of an older version do not know."""

LONGEST = 64 * 1024
"""Bytes of an answer; more is not read."""


def seal(secret: bytes, nonce: str, body: bytes) -> str:
    """Proof that the answer to this very question comes from who knows the secret."""
    return hmac.new(secret, nonce.encode() + b"\n" + body, hashlib.sha256).hexdigest()


def ask(address: str, secret: bytes) -> Told | None:
    """What the member at `address` (host:port) tells; None when it does not, or not truly."""
    nonce = secrets.token_hex(16)
    # urllib would load the machine's certificate store for each question, for half of our time.
    line = http.client.HTTPConnection(address, timeout=ASK_SECONDS)
    try:
        line.request("GET", "/member", headers={"X-Nonce": nonce})
        answer = line.getresponse()
        body, proof = answer.read(LONGEST), answer.headers.get("X-Seal", "")
        if not hmac.compare_digest(proof, seal(secret, nonce, body)):
            return None
        return _read(json.loads(body))
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    finally:
        line.close()


def written(told: Told | None) -> bytes:
    """What a member tells, as it goes over the wire: without what is empty and not known to an
    older agent, which hears nobody whose words it does not know all."""
    words = asdict(told) if told else None
    said = {k: v for k, v in words.items() if k not in LATER or v} if words else None
    return json.dumps(said).encode()


def _read(words: dict[str, Any] | None) -> Told | None:
    lists = {key: tuple(words.get(key, ())) for key in ("view", *LATER)} if words else {}
    return Told(**{**words, **lists}) if words else None


def ask_each(addresses: Mapping[str, str], secret: bytes) -> dict[str, Told | None]:
    """What each of `addresses` tells, asked side by side: the dead cost no time of the others."""
    with ThreadPoolExecutor(max_workers=max(1, len(addresses))) as pool:
        answers = pool.map(lambda a: ask(a, secret), addresses.values())
        return dict(zip(addresses, answers, strict=True))


def ask_all(addresses: Mapping[str, str], secret: bytes) -> list[Told]:
    """What those of `addresses` that answer tell."""
    told = ask_each(addresses, secret).values()
    return [t for t in told if t is not None and t.name in addresses]

"""Questions from member to member, whose answers nobody else can give."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from agreement import Told

ASK_SECONDS = 1.0
"""A member that does not answer for this long is asked again, and is not there meanwhile."""

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
        data = json.loads(body)
        lists = {key: tuple(data.get(key, ())) for key in ("view", "left")} if data else {}
        return Told(**{**data, **lists}) if data else None
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    finally:
        line.close()


def ask_each(addresses: Mapping[str, str], secret: bytes) -> dict[str, Told | None]:
    """What each of `addresses` tells, asked side by side: the dead cost no time of the others."""
    with ThreadPoolExecutor(max_workers=max(1, len(addresses))) as pool:
        answers = pool.map(lambda a: ask(a, secret), addresses.values())
        return dict(zip(addresses, answers, strict=True))


def ask_all(addresses: Mapping[str, str], secret: bytes) -> list[Told]:
    """What those of `addresses` that answer tell."""
    told = ask_each(addresses, secret).values()
    return [t for t in told if t is not None and t.name in addresses]

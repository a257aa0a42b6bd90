"""Questions from member to member, whose answers nobody else can give."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from agreement import Told

ASK_SECONDS = 1.0
"""A member that does not answer for this long is asked again, and is not there meanwhile."""


def seal(secret: bytes, nonce: str, body: bytes) -> str:
    """Proof that the answer to this very question comes from who knows the secret."""
    return hmac.new(secret, nonce.encode() + b"\n" + body, hashlib.sha256).hexdigest()


def ask(address: str, secret: bytes) -> Told | None:
    """What the member at `address` (host:port) tells; None when it does not, or not truly."""
    nonce = secrets.token_hex(16)
    request = urllib.request.Request(f"http://{address}/member", headers={"X-Nonce": nonce})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ASK_SECONDS) as answer:
            body = answer.read(64 * 1024)
            proof = answer.headers.get("X-Seal", "")
        if not hmac.compare_digest(proof, seal(secret, nonce, body)):
            return None
        data = json.loads(body)
        lists = {key: tuple(data.get(key, ())) for key in ("view", "left")} if data else {}
        return Told(**{**data, **lists}) if data else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def ask_all(addresses: Mapping[str, str], secret: bytes) -> list[Told]:
    """What those of `addresses` that answer tell, asked side by side."""
    with ThreadPoolExecutor(max_workers=max(1, len(addresses))) as pool:
        answers = pool.map(lambda a: ask(a, secret), addresses.values())
        return [t for t in answers if t is not None and t.name in addresses]

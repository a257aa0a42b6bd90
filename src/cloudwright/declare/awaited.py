"""What a container waits for before its command runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Awaited:
    """An address that takes connections, or that answers 200 to `path` over plain HTTP.

    `most` is after how many seconds the container starts without it; 0 means never.
    """

    address: str
    port: int
    path: str = ""
    most: int = 0

"""What a run of image builds tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildsWait:
    """Another run of builds has the machine; this one goes on after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildsBegan:
    """All that will be built: each image, and which of them must be there before it."""

    needs: Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildBegan:
    """The image is being built."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildDone:
    """The image is there; it took so many seconds."""

    name: str
    seconds: float


BuildEvent = BuildsWait | BuildsBegan | BuildBegan | BuildDone
TellBuild = Callable[[BuildEvent], None]

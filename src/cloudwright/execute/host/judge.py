"""What was found against what is declared: the judgement of real hosts and of simulated ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudwright.declare.rollout import Quorum
from cloudwright.engine.api import ContainerState
from cloudwright.execute.host import labels
from cloudwright.plan.difference import DRIFTED, Seen
from cloudwright.plan.steps import ConfigFile, ReadAgain, RunContainer, Step, WriteFiles

UNREAD = ".unread"
"""Names of files that were written and that no container has read since; one a line."""

WRITTEN = ".written"
"""What we wrote last: `sha256  name`, one a line; another content is somebody else's."""

REREAD = ".reread"
"""`container-id digest` of the last time that a running container read its files again."""

STARTING = ".starting"
"""Stands there from before a container is made until it is healthy."""

SHORT = 12
"""Digits of an image's id, as engines show them."""

MARKS = (UNREAD, WRITTEN, REREAD, STARTING)
"""What we keep in a config directory beside its files: the evidence of what became of them."""


@dataclass(slots=True)
class Found:
    """What stands in one directory: name → mode and owner, content's SHA-256, and our marks."""

    modes: dict[str, str] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)
    marks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def unread(self) -> frozenset[str]:
        """Files that were written and not read since."""
        return frozenset(self.marks.get(UNREAD, ()))

    @property
    def written(self) -> Mapping[str, str]:
        """Name → SHA-256 of what we wrote last."""
        pairs = (line.partition("  ") for line in self.marks.get(WRITTEN, ()))
        return {name: digest for digest, _, name in pairs}

    @property
    def reread(self) -> tuple[str, str]:
        """The container that read its files again, and the digest of what it read."""
        container, _, digest = "".join(self.marks.get(REREAD, ())).partition(" ")
        return container, digest

    def extra(self, wanted: Mapping[str, str]) -> list[str]:
        """Files that nobody declares."""
        return sorted(self.sums.keys() - wanted.keys() - set(MARKS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A config directory against its declaration.

    `why` is what differs, in words, empty when nothing does. `stale` are files of which a running
    container may have read something else than is declared: changed by hand since we wrote them,
    or written and not read. `read_again` are those of which it can read everything while it runs.
    `reread` is as in `Found`; `starting`: its container did not become healthy yet. `others` are
    names of files that are there and are another than declared, or not ours; `found` those as
    they stand on the host, with placeholders for every secret that is known.
    """

    why: str
    others: tuple[str, ...]
    found: tuple[ConfigFile, ...] = ()
    stale: frozenset[str]
    read_again: frozenset[str]
    reread: tuple[str, str]
    starting: bool


def changed(sums: Mapping[str, str], found: Found) -> tuple[str, ...]:
    """Files whose content (name → SHA-256) is not there as it shall be."""
    return tuple(name for name, sum in sums.items() if found.sums.get(name) != sum)


def config_of(action: WriteFiles, sums: Mapping[str, str], found: Found) -> Config:
    """`sums` are those of the declared files with their secrets' values."""
    differing = changed(sums, found)
    words = [f"{n} {'differs' if n in found.sums else 'is missing'}" for n in differing]
    words += [
        f"{file.name} has mode or owner {found.modes[file.name]}"
        for file in action.files
        if file.name not in differing
        and found.modes[file.name] != f"{file.mode.lstrip('0')} root:root"
    ]
    words += [f"{name} is not ours" for name in found.extra(sums)]
    written = found.written
    by_hand = {n for n in differing if found.sums.get(n, "") != written.get(n, "")}
    return Config(
        why=", ".join(words),
        others=(*(n for n in differing if n in found.sums), *found.extra(sums)),
        stale=(found.unread & sums.keys()) | by_hand,
        read_again=frozenset(f.name for f in action.files if not f.unchanging),
        reread=found.reread,
        starting=STARTING in found.sums,
    )


def files_seen(step: Step, config: Config) -> Seen:
    """Whether a config directory is as declared."""
    if config.why:
        return Seen(digest=DRIFTED, why=config.why, found=config.found)
    return Seen(digest=step.digest)


def container_seen(step: Step, state: ContainerState, config: Config | None, cloud: str) -> Seen:
    """Whether a container that is there is the declared one, runs, and became healthy."""
    assert isinstance(step.action, RunContainer)
    wanted = step.action.body.image_id
    owner = state.labels.get(labels.CLOUD)
    if owner != cloud:
        by = f"belongs to cloud {owner}" if owner else f"was made by hand, of {state.image}"
        return Seen(digest=DRIFTED, why=by, up=state.running)
    if state.state != "running":
        return Seen(digest=DRIFTED, why=f"is {state.state}, not running", up=False)
    if config and config.starting:
        return Seen(digest=DRIFTED, why="was started and never became healthy", up=False)
    if speaks_otherwise(step.action, state):
        why = "speaks otherwise with the other members"
        return Seen(digest=DRIFTED, why=why, up=False, runs=True)
    if wanted and state.image_id != wanted:
        old, new = state.image_id[:SHORT], wanted[:SHORT]
        return Seen(digest=DRIFTED, why=f"runs another image: {old} → {new}")
    if is_declared_otherwise(step, state):
        return Seen(digest=DRIFTED, why=_what_changed(step.action, state))
    if config and (stale := config.stale - config.read_again):
        names = ", ".join(sorted(stale))
        return Seen(digest=DRIFTED, why=f"may have read another {names} than is declared")
    return Seen(digest=step.digest)


def _what_changed(action: RunContainer, state: ContainerState) -> str:
    if not action.body.image_id:
        return "its image is not known any more"
    match state.labels.get(labels.CONFIG):
        case None:  # made before this was written down
            return "its configuration or specification changed"
        case action.config_digest:
            return "its specification changed"
        case _:
            return "its configuration changed"


def is_declared_otherwise(step: Step, state: ContainerState) -> bool:
    """Whether a container was made for another declaration than that of today."""
    return state.labels.get(labels.DIGEST) != step.digest


def speaks_otherwise(action: RunContainer, state: ContainerState) -> bool:
    """Whether a member of a cluster speaks with the others in another way than is declared."""
    match action.rollout:
        case Quorum(speaks=speaks):
            return state.labels.get(labels.SPEAKS, "") != speaks
        case _:
            return False


def reading_seen(step: Step, state: ContainerState, config: Config | None) -> Seen:
    """What a container read as it started, or read again since."""
    assert isinstance(step.action, ReadAgain)
    container, digest = config.reread if config else ("", "")
    if container != state.id:
        digest = state.labels.get(labels.READ, "")
    if config and config.stale & {f.name for f in step.action.files}:
        digest = DRIFTED
    return Seen(digest=digest, why="its files changed since it read them")

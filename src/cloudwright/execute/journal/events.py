"""What a run tells while it goes on; screen and journal are only consumers of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cloudwright.errors import CloudError
from cloudwright.plan.difference import Planned


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStarted:
    """The run begins, with all that it will do and where it writes its journal and logs.

    `gates`: step id → the ids of the run that must be over before it may begin.
    """

    planned: tuple[Planned, ...]
    directory: str
    at: float  # seconds since the epoch
    gates: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepStarted:
    """All that the step needs is ready; it begins."""

    id: str
    host: str
    what: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StepWaits:
    """The step waits for something outside, such as an API's first answer; once it is done, for
    whether what it made stays."""

    id: str
    reason: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDone:
    """The step is as declared now."""

    id: str
    seconds: float
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StepFailure:
    """The step failed; `error` is the whole text for a person, `log` the file with everything."""

    id: str
    seconds: float
    error: str
    log: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StepFell:
    """The step was done, and what it had made did not stay until the end of the run: it failed
    after all. `error` and `log` as in StepFailure."""

    id: str
    error: str
    log: str
    at: float


INTERRUPTED = "interrupted"
"""Why a step was skipped when it was Ctrl-C, and no other step, that came first."""

UNKEPT = "a journal or log that cannot be written"
"""The same when this machine's disk came first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepSkipped:
    """The step was not tried, because `because` (a step's id, INTERRUPTED or UNKEPT) came
    first."""

    id: str
    because: str
    at: float


CUT = "stopped in the middle; what is there of it is found and put right by the next `apply`"
"""The error of a step that a second Ctrl-C ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StopAsked:
    """INTERRUPTED or UNKEPT: the `running` steps (ids) go on to their end, `left` others are not
    begun."""

    running: tuple[str, ...]
    left: int
    at: float
    because: str = INTERRUPTED


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnded:
    """The run is over."""

    done: int
    failed: int
    skipped: int
    seconds: float
    at: float


Event = (
    RunStarted
    | StepStarted
    | StepWaits
    | StepDone
    | StepFailure
    | StepFell
    | StepSkipped
    | StopAsked
    | RunEnded
)
Tell = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended: ids of steps by result, and the errors.

    `interrupted` is whether Ctrl-C ended it; `cut` are the ids that a second one stopped midway;
    `unkept` is why its journal or logs could not be written any more, which ended it too.
    """

    done: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    directory: str = ""
    interrupted: bool = False
    cut: tuple[str, ...] = ()
    unkept: CloudError | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything that was planned is done."""
        return not (self.failed or self.skipped or self.interrupted or self.unkept)

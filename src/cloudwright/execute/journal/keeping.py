"""What is kept of a run while it goes on; a disk that takes no more ends it in good order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloudwright.errors import CloudError, HostError, of_this_machine
from cloudwright.execute.journal.events import Event, Tell
from cloudwright.execute.journal.steplog import StepLogs


@dataclass(slots=True)
class Keeping:
    """Where a run's events go, and its steps' logs.

    The first of them that cannot be written is `refused`, and nothing is raised: whoever runs
    steps lets those that run come to their end. What comes after is still tried.
    """

    consumer: Tell
    logs: StepLogs
    at_refusal: Callable[[], None] | None = None
    """Called at the first refusal."""
    refused: CloudError | None = None

    def tell(self, event: Event) -> None:
        """Hand an event to journal and screen."""
        try:
            self.consumer(event)
        except OSError as error:
            self._refuse(error)

    @contextmanager
    def log(self, id: str, first: str = "") -> Iterator[Callable[[str], None]]:
        """As `StepLogs.open`; the block lets no OSError out."""
        try:
            with self.logs.open(id, first) as write:

                def log(text: str) -> None:
                    try:
                        write(text)
                    except OSError as error:
                        self._refuse(error)

                yield log
        except OSError as error:  # some file systems say at the end that there was no room
            self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        if self.refused is None:
            self.refused = of_this_machine(error) or HostError(str(error))
            if self.at_refusal:
                self.at_refusal()

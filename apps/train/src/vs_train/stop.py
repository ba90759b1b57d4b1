"""SIGTERM and Ctrl-C: the first asks the training to stop, the second ends the process."""

import signal
from types import FrameType


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """The training has stopped on request, after a checkpoint.

    Attributes:
        signum: the signal received.
    """

    def __init__(self, signum: int, env_step: int) -> None:
        self.signum = signum
        name = signal.Signals(signum).name
        super().__init__(f"{name} at env step {env_step}: --resume goes on from there")


class StopRequest:
    """A stop flag, polled between env steps.

    Attributes:
        signum: the signal received, None before.
    """

    def __init__(self) -> None:
        self.signum: int | None = None

    def listen(self) -> None:
        """Take SIGTERM and SIGINT from now on; a second one has its default effect."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._note)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        del frame
        self.signum = signum
        for other in (signal.SIGTERM, signal.SIGINT):
            signal.signal(other, signal.SIG_DFL)

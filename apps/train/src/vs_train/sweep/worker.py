"""One cell in a process of its own: ``python -m vs_train.sweep.worker``, started by the pool.

Standard input: a line with the cell as JSON, one with the folder, one with the steps between
checkpoints; end of input means that the pool is gone. Standard output: the env step reached, one per
line, the first one where it begins. Standard error: warnings, and why it failed as the last line.
Ends with 0 when the cell is finished, 143 when stopped.
"""

import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from vs_train.config import TrainConfig
from vs_train.record import checkpoint_step, is_finished, train_and_record
from vs_train.stop import Stopped, StopRequest
from vs_train.sweep.cells import Cell
from vs_train.sweep.child import decoded
from vs_train.sweep.records import cell_lock


def main() -> None:
    """Train the cell, going on from its checkpoint where there is one."""
    stop = StopRequest()
    stop.listen()
    config, out = decoded(sys.stdin.readline()), Path(sys.stdin.readline().rstrip("\n"))
    every = int(sys.stdin.readline())
    threading.Thread(target=_stop_without_pool, args=(stop,), daemon=True).start()
    with cell_lock(out, Cell(config, done=False).name, stop=stop) as held:
        if not held:
            sys.exit(128 + (stop.signum or signal.SIGTERM))
        if not is_finished(config, out):  # as it may be by the time a cluster starts it again
            _train(config, out, every, stop)


def _train(config: TrainConfig, out: Path, every: int, stop: StopRequest) -> None:
    start = checkpoint_step(config, out)
    told = 0.0

    def tell(env_step: int) -> None:
        nonlocal told
        if time.monotonic() - told > 1.0 or env_step == config.steps:
            told = time.monotonic()
            _say(env_step)

    _say(start or 0)
    evaluations = train_and_record(
        config, out, resume=start is not None, checkpoint_every=every, stop=stop, on_step=tell
    )
    try:
        for _ in evaluations:
            continue
    except Stopped as stopped:
        sys.exit(128 + stopped.signum)
    except Exception as error:
        traceback.print_exc()  # some append notes: their last line is not the message
        lines = str(error).strip().splitlines() or [""]
        sys.exit(f"{type(error).__name__}: {lines[0]}")


def _stop_without_pool(stop: StopRequest) -> None:
    while os.read(0, 1024):  # not sys.stdin, whose lock would hang the exit
        continue
    stop.signum = stop.signum or signal.SIGTERM


def _say(env_step: int) -> None:
    try:
        os.write(1, f"{env_step}\n".encode())
    except BrokenPipeError:  # the pool is gone: a checkpoint comes first
        return


if __name__ == "__main__":
    main()

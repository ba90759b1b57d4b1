"""Train agents and write the run table."""

from vs_train.cell import Evaluation
from vs_train.config import TrainConfig
from vs_train.divergence import DivergenceWarning
from vs_train.facts import columns
from vs_train.programs import train
from vs_train.record import checkpoint_step, is_finished, train_and_record
from vs_train.stop import Stopped, StopRequest
from vs_train.workers import WorkerError

__all__ = [
    "DivergenceWarning",
    "Evaluation",
    "StopRequest",
    "Stopped",
    "TrainConfig",
    "WorkerError",
    "checkpoint_step",
    "columns",
    "is_finished",
    "train",
    "train_and_record",
]

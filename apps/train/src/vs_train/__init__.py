"""Train agents and write the run table."""

from vs_train.config import TrainConfig
from vs_train.record import columns, is_finished, train_and_record
from vs_train.run import Evaluation, train

__all__ = ["Evaluation", "TrainConfig", "columns", "is_finished", "train", "train_and_record"]

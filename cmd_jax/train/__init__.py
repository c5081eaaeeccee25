"""Training by gradients: objective, optimizer, compiled chunks, loop and hooks."""

from cmd_jax.train.chunk import Chunk, make_chunk
from cmd_jax.train.compilation import jit_once
from cmd_jax.train.dispatch import choose_dispatch
from cmd_jax.train.evaluation import Evaluate, make_evaluate
from cmd_jax.train.feed import choose_placement
from cmd_jax.train.hooks import CheckpointHook, MetricsHook
from cmd_jax.train.loop import Hook, HostMetrics, NonFiniteLossError, train
from cmd_jax.train.metrics import MetricsFile, Sink, tensorboard_sink, wandb_sink
from cmd_jax.train.objective import Objective, cross_entropy, reconstruction_error
from cmd_jax.train.optimizer import create_optimizer
from cmd_jax.train.state import States, TrainState, initial_state
from cmd_jax.train.statistics import Reestimate, make_reestimate

__all__ = [
    "CheckpointHook",
    "Chunk",
    "Evaluate",
    "Hook",
    "HostMetrics",
    "MetricsFile",
    "MetricsHook",
    "NonFiniteLossError",
    "Objective",
    "Reestimate",
    "Sink",
    "States",
    "TrainState",
    "choose_dispatch",
    "choose_placement",
    "create_optimizer",
    "cross_entropy",
    "initial_state",
    "jit_once",
    "make_chunk",
    "make_evaluate",
    "make_reestimate",
    "reconstruction_error",
    "tensorboard_sink",
    "train",
    "wandb_sink",
]

"""Correlation Mode Decomposition of training trajectories, and what chance gives.

Figures are in `cmd_jax.modes.figures`, which needs Matplotlib.
"""

from cmd_jax.modes.choice import ModesChoice, choose_num_modes
from cmd_jax.modes.claims import LayerSpread, TwoBlocks, layer_spread, two_blocks
from cmd_jax.modes.clustering import KMedoids, k_medoids
from cmd_jax.modes.correlation import correlation_matrix
from cmd_jax.modes.decomposition import Decomposition, check_sizes, decompose
from cmd_jax.modes.embedded_optimizers import EmbeddedState, freeze, snap
from cmd_jax.modes.embedding import (
    Embedding,
    begin_embedding,
    follow_references,
    nothing_embedded,
)
from cmd_jax.modes.embedding_rule import CRITERIA, EmbeddingRule, embed_settled
from cmd_jax.modes.fit import Fit, fit_references
from cmd_jax.modes.foreign_loop import OnlineModes
from cmd_jax.modes.histories import gather
from cmd_jax.modes.landscape import (
    Landscape,
    reference_landscape,
    reference_plane,
)
from cmd_jax.modes.linkage import hierarchical, references_of
from cmd_jax.modes.null import NullModel, random_walk_null
from cmd_jax.modes.online_estimate import OnlineState, online
from cmd_jax.modes.online_references import OnlineReferences
from cmd_jax.modes.reconstruction import reconstruct
from cmd_jax.modes.references import METHODS
from cmd_jax.modes.sampling import count_moving, sample_weights
from cmd_jax.modes.tied_weights import TiedState, tie, tied

__all__ = [
    "CRITERIA",
    "METHODS",
    "Decomposition",
    "EmbeddedState",
    "Embedding",
    "EmbeddingRule",
    "Fit",
    "KMedoids",
    "Landscape",
    "LayerSpread",
    "ModesChoice",
    "NullModel",
    "OnlineModes",
    "OnlineReferences",
    "OnlineState",
    "TiedState",
    "TwoBlocks",
    "begin_embedding",
    "check_sizes",
    "choose_num_modes",
    "correlation_matrix",
    "count_moving",
    "decompose",
    "embed_settled",
    "fit_references",
    "follow_references",
    "freeze",
    "gather",
    "hierarchical",
    "k_medoids",
    "layer_spread",
    "nothing_embedded",
    "online",
    "random_walk_null",
    "reconstruct",
    "reference_landscape",
    "reference_plane",
    "references_of",
    "sample_weights",
    "snap",
    "tie",
    "tied",
    "two_blocks",
]

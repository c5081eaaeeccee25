"""The clustering of CMD's released code, and the reference weight of each mode.

Steps 4 and 5 of CMD (arXiv 2312.13247, §3). Runs on the host: SciPy's linkage is exact,
fast, and what parity with the release asks for.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from cmd_jax.modes.clustering import check_square
from cmd_jax.types import ArrayLike


def hierarchical(
    correlation: Float[ArrayLike, "samples _"], num_modes: int
) -> Int[np.ndarray, " samples"]:
    """Clusters samples by complete linkage, as the released code of CMD does.

    Two samples are as far apart as their rows of |correlation|, by Euclidean distance.
    The tree is cut into `num_modes` clusters; where merges tie there may be fewer: the
    number found is `labels.max() + 1`.

    Args:
      correlation: signed or absolute correlations, as `correlation_matrix` gives them.
      num_modes: the largest number of clusters.

    Returns:
      The int32 mode of each sample; modes are numbered by decreasing size, those of
      equal size by their first member.

    Raises:
      ValueError: the matrix is not square or not finite, or `num_modes` is not between
        1 and the number of samples.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes.linkage import hierarchical
      >>> correlation = np.array([[1.0, 0.1, 0.0], [0.1, 1.0, -0.9], [0.0, -0.9, 1.0]])
      >>> hierarchical(correlation, 2).tolist()
      [1, 0, 0]
    """
    check_square("correlation", correlation, num_modes)
    if len(correlation) == 1:
        return np.zeros(1, np.int32)
    tree = linkage(_row_distances(np.asarray(correlation, np.float64)), "complete")
    return _by_decreasing_size(fcluster(tree, num_modes, "maxclust"))


def references_of(
    correlation: Float[ArrayLike, "samples samples"],
    labels: Int[ArrayLike, " samples"],
    num_modes: int,
) -> Int[np.ndarray, " modes"]:
    """The reference of each mode: the member that its members correlate with most.

    It has the highest mean |correlation| to the members of its mode, the first such
    member in a tie. That is the medoid under 1 - |correlation|.

    Args:
      correlation: signed or absolute correlations.
      labels: the mode of each sample.
      num_modes: the number of modes; each must have a member.

    Returns:
      The int32 index of each mode's reference among the samples.

    Raises:
      ValueError: a mode has no member, or a label is out of range.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes.linkage import references_of
      >>> correlation = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, -0.8], [0.2, -0.8, 1.0]])
      >>> references_of(correlation, np.array([0, 0, 0]), 1).tolist()
      [1]
    """
    found = np.unique(np.asarray(labels))
    if not np.array_equal(found, np.arange(num_modes)):
        raise ValueError(
            f"labels hold the modes {found.tolist()}; with num_modes = {num_modes} "
            f"each of 0 to {num_modes - 1} must have a member, and no other"
        )
    members = jax.nn.one_hot(labels, num_modes, dtype=jnp.float32)
    magnitude = jnp.abs(jnp.asarray(correlation, jnp.float32))
    totals = jnp.matmul(magnitude, members, precision=jax.lax.Precision.HIGHEST)
    among_members = jnp.where(members > 0, totals, -jnp.inf)
    return np.asarray(among_members.argmax(axis=0), np.int32)


def _row_distances(
    correlation: Float[np.ndarray, "samples samples"],
) -> Float[np.ndarray, " pairs"]:
    """Euclidean distances between the rows of |correlation|, in SciPy's order.

    By one product, |u|² + |v|² - 2uv, instead of SciPy's loop over the pairs.
    """
    rows = np.abs(correlation)
    squares = np.einsum("ij,ij->i", rows, rows)
    distances = squares[:, None] + squares[None] - 2 * rows @ rows.T
    return squareform(np.sqrt(distances.clip(min=0)), checks=False)


def _by_decreasing_size(
    labels: Int[np.ndarray, " samples"],
) -> Int[np.ndarray, " samples"]:
    """Labels renumbered from 0 by decreasing size, ties by the first member."""
    _, first, dense, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    return np.argsort(order)[dense].astype(np.int32)

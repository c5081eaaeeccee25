"""Data sets as arrays: sources, validation split, subsets, batches, augmentation."""

from cmd_jax.data.augmentation import augmenter, normalize, random_crop, random_flip
from cmd_jax.data.batching import batch_indices, batches_per_epoch, epoch_permutation
from cmd_jax.data.dataset import Dataset, Examples, channel_statistics, hold_out
from cmd_jax.data.prepared import cache_folder, search_folders
from cmd_jax.data.resizing import centre_resize, random_resized_crop
from cmd_jax.data.sources import load, synthetic
from cmd_jax.data.subset import Subset, make_subset
from cmd_jax.data.text import synthetic_text, windows

__all__ = [
    "Dataset",
    "Examples",
    "Subset",
    "augmenter",
    "batch_indices",
    "batches_per_epoch",
    "cache_folder",
    "centre_resize",
    "channel_statistics",
    "epoch_permutation",
    "hold_out",
    "load",
    "make_subset",
    "normalize",
    "random_crop",
    "random_flip",
    "random_resized_crop",
    "search_folders",
    "synthetic",
    "synthetic_text",
    "windows",
]

"""Pretrained weights of vision transformers, read from the files they come in.

Two forms are known: torchvision's state dict as `.safetensors`, of which CMD's Table 1
starts, and the archives of the vision transformer's authors, `.npz`. Those were trained
with GELU's approximation by tanh, which is within .0005 of the exact one of `ViT`.
"""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax

from cmd_jax import trees
from cmd_jax.checkpoints import read_npz, read_safetensors
from cmd_jax.models.vit_forms import Arrays, by_name, google_form, torchvision_form
from cmd_jax.types import Params

_FORMER = {"mlp.linear_1": "mlp.0", "mlp.linear_2": "mlp.3"}  # in older ones


class Pretrained(NamedTuple):
    """What a file of pretrained weights gives a network.

    Attributes:
      params: the network's parameters.
      form: the form of the file, "torchvision" or "google".
      file_classes: outputs of the file's head.
      fresh_head: whether the head is the network's own, for it has other classes.
    """

    params: Params
    form: str
    file_classes: int
    fresh_head: bool


class _Form(NamedTuple):
    """A form: its map of our parameters, and how a file of it is read.

    `head` and `positions` are what it calls the head's bias and the positions.
    """

    name: str
    to_arrays: Callable[[Params], Arrays]
    read: Callable[[pathlib.Path], Arrays]
    head: str
    positions: str


def read_vit(path: pathlib.Path | str, like: Params) -> Pretrained:
    """Reads the pretrained weights of a vision transformer.

    A head for another number of classes is left out: that of `like` stays. Positions
    are not interpolated: the images have to be of the size that the file is for.

    Args:
      path: torchvision's state dict in a `.safetensors` file, or an `.npz` archive of
        the vision transformer's authors. Neither is unpickled.
      like: parameters of `ViT`, or their shapes and dtypes.

    Returns:
      The parameters with float32 weights, on the default device, and what they are.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is of another kind or damaged, lacks an array, has one that the
        network has no place for, or one of another shape; the message names it.

    Example:
      >>> import pathlib, tempfile
      >>> import jax, jax.numpy as jnp, numpy as np
      >>> from cmd_jax import models
      >>> from cmd_jax.models.vit_forms import google_form
      >>> sizes = dict(patch=4, hidden=8, depth=1, heads=2, mlp_hidden=16)
      >>> images, key = jnp.zeros((1, 8, 8, 3)), jax.random.key(0)
      >>> network = models.create("vit", num_classes=1000, **sizes)
      >>> path = pathlib.Path(tempfile.mkdtemp()) / "vit.npz"
      >>> np.savez(path, **google_form(network.init(key, images)[0]))
      >>> params, _ = models.create("vit", num_classes=10, **sizes).init(key, images)
      >>> pretrained = models.read_vit(path, params)
      >>> pretrained.file_classes, pretrained.params["head"]["kernel"].shape
      (1000, (8, 10))

    References:
      Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021 (arXiv 2010.11929).
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    form = _form(path)
    arrays = form.read(path)
    if form.head not in arrays:
        raise ValueError(f"{path} lacks the array {form.head!r}")
    file_classes, own_classes = arrays[form.head].size, like["head"]["bias"].size
    template = _with_classes(like, file_classes)
    _check(path, form, arrays, template)
    params = _to_params(form, template, arrays)
    fresh = file_classes != own_classes
    if fresh:
        params["head"] = like["head"]
    return Pretrained(params, form.name, file_classes, fresh)


def _form(path: pathlib.Path) -> _Form:
    if path.suffix not in _FORMS:
        raise ValueError(
            f"{path} is no file of pretrained weights; allowed are .safetensors with "
            "torchvision's state dict and .npz of the vision transformer's authors. "
            "Pickles (.pt, .pth) are never read"
        )
    return _FORMS[path.suffix]


def _read_torchvision(path: pathlib.Path) -> Arrays:
    arrays = {}
    for name, array in by_name(read_safetensors(path, None)).items():
        name = name.replace("/", ".")
        for former, current in _FORMER.items():
            name = name.replace(former, current)
        arrays[name] = array
    return arrays


def _read_google(path: pathlib.Path) -> Arrays:
    return by_name(read_npz(path, None))


def _with_classes(like: Params, num_classes: int) -> Params:
    """The shapes of a network with so many classes."""
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), like)
    head = {
        name: jax.ShapeDtypeStruct((*x.shape[:-1], num_classes), x.dtype)
        for name, x in shapes["head"].items()
    }
    return {**shapes, "head": head}


def _check(path: pathlib.Path, form: _Form, arrays: Arrays, template: Params) -> None:
    """Refuses arrays that are not those of the network."""
    expected = jax.eval_shape(form.to_arrays, template)
    if missing := sorted(expected.keys() - arrays.keys()):
        raise ValueError(
            f"{path} lacks the array {missing[0]!r} of shape "
            f"{expected[missing[0]].shape}"
        )
    if unknown := sorted(arrays.keys() - expected.keys()):
        raise ValueError(
            f"{path} has the array {unknown[0]!r}, for which the network has no place: "
            "it is of another network"
        )
    for name, array in arrays.items():
        if array.shape != expected[name].shape:
            hint = ""
            if name == form.positions:
                hint = ": it is for images of another size, and is not interpolated"
            raise ValueError(
                f"{path}: the array {name!r} has shape {array.shape}, expected "
                f"{expected[name].shape}{hint}"
            )
        if not trees.is_float(array):
            raise ValueError(
                f"{path}: the array {name!r} is of {array.dtype}; allowed are floats"
            )


def _to_params(form: _Form, template: Params, arrays: Arrays) -> Params:
    """The parameters that the form maps to these arrays."""
    expected = jax.eval_shape(form.to_arrays, template)
    typed = {name: array.astype(expected[name].dtype) for name, array in arrays.items()}
    (params,) = jax.linear_transpose(form.to_arrays, template)(typed)
    return params


_FORMS = {
    ".safetensors": _Form(
        "torchvision",
        torchvision_form,
        _read_torchvision,
        head="heads.head.bias",
        positions="encoder.pos_embedding",
    ),
    ".npz": _Form(
        "google",
        google_form,
        _read_google,
        head="head/bias",
        positions="Transformer/posembed_input/pos_embedding",
    ),
}

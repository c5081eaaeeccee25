"""The forms in which vision transformers are published: names and layouts of arrays.

Each form is written as the map from our parameters to its arrays. It only names them
anew and permutes their entries, so its shapes are `jax.eval_shape`'s, and its transpose
is its inverse: how such arrays are read.
"""

from typing import Any

import jax
import jax.numpy as jnp

from cmd_jax import trees
from cmd_jax.types import Params

Arrays = dict[str, Any]
"""Arrays, or their shapes and dtypes, by name."""


def torchvision_form(params: Params) -> Arrays:
    """The state dict of torchvision's `vit_b_16`: kernels are [outputs, inputs]."""
    arrays = {
        "class_token": params["token"],
        "conv_proj.weight": params["patches"]["kernel"].transpose(3, 2, 0, 1),
        "conv_proj.bias": params["patches"]["bias"],
        "encoder.pos_embedding": params["positions"],
        **_torch_norm("encoder.ln", params["norm"]),
        **_torch_linear("heads.head", params["head"]),
    }
    for number, block in enumerate(_blocks(params)):
        arrays |= _torch_block(f"encoder.layers.encoder_layer_{number}", block)
    return arrays


def _torch_block(name: str, block: Params) -> Arrays:
    attention = block["attention"]
    inputs = [_flat_heads(attention[part]) for part in ("query", "key", "value")]
    out = attention["out"]
    features = out["bias"].shape[0]
    flat_out = {"kernel": out["kernel"].reshape(-1, features), "bias": out["bias"]}
    kernels = [part["kernel"].T for part in inputs]
    return {
        **_torch_norm(f"{name}.ln_1", block["norm_0"]),
        f"{name}.self_attention.in_proj_weight": jnp.concatenate(kernels),
        f"{name}.self_attention.in_proj_bias": jnp.concatenate(
            [part["bias"] for part in inputs]
        ),
        **_torch_linear(f"{name}.self_attention.out_proj", flat_out),
        **_torch_norm(f"{name}.ln_2", block["norm_1"]),
        **_torch_linear(f"{name}.mlp.0", block["dense_0"]),
        **_torch_linear(f"{name}.mlp.3", block["dense_1"]),
    }


def _flat_heads(layer: Params) -> Params:
    """A layer with heads as a layer with the features of all heads, one by one."""
    kernel = layer["kernel"]
    return {
        "kernel": kernel.reshape(kernel.shape[0], -1),
        "bias": layer["bias"].reshape(-1),
    }


def _torch_linear(name: str, layer: Params) -> Arrays:
    return {f"{name}.weight": layer["kernel"].T, f"{name}.bias": layer["bias"]}


def _torch_norm(name: str, layer: Params) -> Arrays:
    return {f"{name}.weight": layer["scale"], f"{name}.bias": layer["bias"]}


def google_form(params: Params) -> Arrays:
    """The archive of the paper's authors: kernels are [inputs, heads, features]."""
    transformer = {
        "posembed_input": {"pos_embedding": params["positions"]},
        "encoder_norm": params["norm"],
    }
    for number, block in enumerate(_blocks(params)):
        transformer[f"encoderblock_{number}"] = {
            "LayerNorm_0": block["norm_0"],
            "MultiHeadDotProductAttention_1": block["attention"],
            "LayerNorm_2": block["norm_1"],
            "MlpBlock_3": {"Dense_0": block["dense_0"], "Dense_1": block["dense_1"]},
        }
    tree = {
        "cls": params["token"],
        "embedding": params["patches"],
        "Transformer": transformer,
        "head": params["head"],
    }
    return by_name(tree)


def by_name(tree: Params) -> Arrays:
    """The leaves of a tree by their names."""
    return dict(zip(trees.leaf_names(tree), jax.tree.leaves(tree), strict=True))


def _blocks(params: Params) -> list[Params]:
    depth = sum(name.startswith("block_") for name in params)
    return [params[f"block_{number}"] for number in range(depth)]

"""Pretrained weights: loaded into our ViT they give what NumPy gives, by their rules.

The two forward passes are written from the conventions of the files, in float64, and
know nothing of ours: the torchvision state dict has packed [outputs, inputs] weights,
the archive of the paper's authors [inputs, heads, features] kernels.
"""

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.special import erf, softmax

from cmd_jax import models, train
from cmd_jax.models.vit_forms import google_form, torchvision_form
from tests.models.test_vit import SIZES

HIDDEN, HEADS, MLP, PATCH = (
    SIZES[x] for x in ("hidden", "heads", "mlp_hidden", "patch")
)
TOKENS = 7  # of images of 8 x 12 pixels, and the class token


def _draw(shapes):
    generator = np.random.default_rng(0)
    return {
        name: generator.normal(size=shape).astype(np.float32) / 3
        for name, shape in shapes.items()
    }


@pytest.fixture
def state_dict():
    """Random weights in torchvision's form, with seven classes."""
    shapes = {
        "class_token": (1, 1, HIDDEN),
        "conv_proj.weight": (HIDDEN, 3, PATCH, PATCH),
        "conv_proj.bias": (HIDDEN,),
        "encoder.pos_embedding": (1, TOKENS, HIDDEN),
        "encoder.ln.weight": (HIDDEN,),
        "encoder.ln.bias": (HIDDEN,),
        "heads.head.weight": (7, HIDDEN),
        "heads.head.bias": (7,),
    }
    for layer in range(SIZES["depth"]):
        block = {
            "ln_1.weight": (HIDDEN,),
            "ln_1.bias": (HIDDEN,),
            "self_attention.in_proj_weight": (3 * HIDDEN, HIDDEN),
            "self_attention.in_proj_bias": (3 * HIDDEN,),
            "self_attention.out_proj.weight": (HIDDEN, HIDDEN),
            "self_attention.out_proj.bias": (HIDDEN,),
            "ln_2.weight": (HIDDEN,),
            "ln_2.bias": (HIDDEN,),
            "mlp.0.weight": (MLP, HIDDEN),
            "mlp.0.bias": (MLP,),
            "mlp.3.weight": (HIDDEN, MLP),
            "mlp.3.bias": (HIDDEN,),
        }
        prefix = f"encoder.layers.encoder_layer_{layer}."
        shapes |= {prefix + name: shape for name, shape in block.items()}
    return _draw(shapes)


@pytest.fixture
def archive():
    """Random weights in the form of the paper's authors, with seven classes."""
    part = HIDDEN // HEADS
    shapes = {
        "cls": (1, 1, HIDDEN),
        "embedding/kernel": (PATCH, PATCH, 3, HIDDEN),
        "embedding/bias": (HIDDEN,),
        "Transformer/posembed_input/pos_embedding": (1, TOKENS, HIDDEN),
        "Transformer/encoder_norm/scale": (HIDDEN,),
        "Transformer/encoder_norm/bias": (HIDDEN,),
        "head/kernel": (HIDDEN, 7),
        "head/bias": (7,),
    }
    attention = "MultiHeadDotProductAttention_1"
    for layer in range(SIZES["depth"]):
        block = {
            **{
                f"LayerNorm_{n}/{x}": (HIDDEN,)
                for n in (0, 2)
                for x in ("scale", "bias")
            },
            **{f"{attention}/{x}/kernel": (HIDDEN, HEADS, part) for x in _QKV},
            **{f"{attention}/{x}/bias": (HEADS, part) for x in _QKV},
            f"{attention}/out/kernel": (HEADS, part, HIDDEN),
            f"{attention}/out/bias": (HIDDEN,),
            "MlpBlock_3/Dense_0/kernel": (HIDDEN, MLP),
            "MlpBlock_3/Dense_0/bias": (MLP,),
            "MlpBlock_3/Dense_1/kernel": (MLP, HIDDEN),
            "MlpBlock_3/Dense_1/bias": (HIDDEN,),
        }
        prefix = f"Transformer/encoderblock_{layer}/"
        shapes |= {prefix + name: shape for name, shape in block.items()}
    return _draw(shapes)


_QKV = ("query", "key", "value")


def _norm(x, scale, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * scale + bias


def _gelu(x):
    return x / 2 * (1 + erf(x / np.sqrt(2)))


def torchvision_logits(arrays, images):
    """images: [batch, channels, height, width], as PyTorch has them."""
    p = {name: array.astype(np.float64) for name, array in arrays.items()}
    batch, channels, height, width = images.shape
    rows, columns = height // PATCH, width // PATCH
    cut = images.reshape(batch, channels, rows, PATCH, columns, PATCH)
    x = np.einsum("bcipjq,hcpq->bhij", cut, p["conv_proj.weight"])
    x = (x + p["conv_proj.bias"][:, None, None]).reshape(batch, HIDDEN, -1)
    x = x.transpose(0, 2, 1)
    x = np.concatenate([p["class_token"].repeat(batch, 0), x], 1)
    x = x + p["encoder.pos_embedding"]

    def split(x):
        return x.reshape(batch, TOKENS, HEADS, -1).transpose(0, 2, 1, 3)

    for layer in range(SIZES["depth"]):
        at = f"encoder.layers.encoder_layer_{layer}."
        y = _norm(x, p[at + "ln_1.weight"], p[at + "ln_1.bias"])
        packed = y @ p[at + "self_attention.in_proj_weight"].T
        packed = packed + p[at + "self_attention.in_proj_bias"]
        q, k, v = (split(part) for part in np.split(packed, 3, -1))
        weights = softmax(q @ k.swapaxes(2, 3) / np.sqrt(HIDDEN / HEADS), -1)
        mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(x.shape)
        out = at + "self_attention.out_proj."
        x = x + mixed @ p[out + "weight"].T + p[out + "bias"]
        y = _norm(x, p[at + "ln_2.weight"], p[at + "ln_2.bias"])
        y = _gelu(y @ p[at + "mlp.0.weight"].T + p[at + "mlp.0.bias"])
        x = x + y @ p[at + "mlp.3.weight"].T + p[at + "mlp.3.bias"]
    x = _norm(x, p["encoder.ln.weight"], p["encoder.ln.bias"])[:, 0]
    return x @ p["heads.head.weight"].T + p["heads.head.bias"]


def google_logits(arrays, images):
    """images: [batch, height, width, channels]."""
    p = {name: array.astype(np.float64) for name, array in arrays.items()}
    tokens = []
    for row in range(0, images.shape[1], PATCH):
        for column in range(0, images.shape[2], PATCH):
            patch = images[:, row : row + PATCH, column : column + PATCH]
            token = np.einsum("bpqc,pqch->bh", patch, p["embedding/kernel"])
            tokens.append(token + p["embedding/bias"])
    x = np.concatenate([p["cls"].repeat(len(images), 0), np.stack(tokens, 1)], 1)
    x = x + p["Transformer/posembed_input/pos_embedding"]
    for layer in range(SIZES["depth"]):
        at = f"Transformer/encoderblock_{layer}/"
        attention = at + "MultiHeadDotProductAttention_1/"
        y = _norm(x, p[at + "LayerNorm_0/scale"], p[at + "LayerNorm_0/bias"])
        q, k, v = (
            np.einsum("bth,hnd->btnd", y, p[f"{attention}{name}/kernel"])
            + p[f"{attention}{name}/bias"]
            for name in _QKV
        )
        scores = np.einsum("bsnd,btnd->bnst", q, k) / np.sqrt(q.shape[-1])
        mixed = np.einsum("bnst,btnd->bsnd", softmax(scores, -1), v)
        x = x + np.einsum("bsnd,ndh->bsh", mixed, p[attention + "out/kernel"])
        x = x + p[attention + "out/bias"]
        y = _norm(x, p[at + "LayerNorm_2/scale"], p[at + "LayerNorm_2/bias"])
        mlp = at + "MlpBlock_3/Dense_"
        y = _gelu(y @ p[mlp + "0/kernel"] + p[mlp + "0/bias"])
        x = x + y @ p[mlp + "1/kernel"] + p[mlp + "1/bias"]
    last = "Transformer/encoder_norm/"
    x = _norm(x, p[last + "scale"], p[last + "bias"])[:, 0]
    return x @ p["head/kernel"] + p["head/bias"]


_IMAGES = np.random.default_rng(1).standard_normal((2, 8, 12, 3))


def _template(num_classes=7, **options):
    network = models.create("vit", num_classes=num_classes, **SIZES | options)
    params, _ = jax.eval_shape(network.init, jax.random.key(0), _IMAGES)
    return network, params


def _random(shapes):
    draw = np.random.default_rng(2).standard_normal
    return jax.tree.map(lambda x: draw(x.shape, np.float32), shapes)


def _logits(network, params):
    images = _IMAGES.astype(np.float32)
    return train.jit_once(lambda p, x: network.apply(p, {}, x)[0])(params, images)


def test_a_state_dict_gives_torchvisions_logits(state_dict, tmp_path):
    save_file(state_dict, tmp_path / "vit.safetensors")
    network, like = _template()
    found = models.read_vit(tmp_path / "vit.safetensors", like)
    assert found[1:] == ("torchvision", 7, False)
    expected = torchvision_logits(state_dict, _IMAGES.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(_logits(network, found.params), expected, atol=3e-5)


def test_an_archive_gives_the_authors_logits(archive, tmp_path):
    np.savez(tmp_path / "vit.npz", **archive)
    network, like = _template()
    found = models.read_vit(tmp_path / "vit.npz", like)
    assert found[1:] == ("google", 7, False)
    expected = google_logits(archive, _IMAGES)
    np.testing.assert_allclose(_logits(network, found.params), expected, atol=3e-5)


def test_names_of_older_torchvisions_are_the_same_arrays(state_dict, tmp_path):
    old = {
        name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): array
        for name, array in state_dict.items()
    }
    assert old.keys() != state_dict.keys()
    _, like = _template()
    trees = []
    for name, arrays in (("old", old), ("new", state_dict)):
        save_file(arrays, tmp_path / f"{name}.safetensors")
        trees.append(models.read_vit(tmp_path / f"{name}.safetensors", like).params)
    jax.tree.map(np.testing.assert_array_equal, *trees)


@pytest.mark.parametrize("form", [torchvision_form, google_form])
def test_reading_undoes_the_form_bit_by_bit(form, tmp_path):
    params = _random(_template()[1])
    arrays = jax.tree.map(np.asarray, form(params))
    if form is torchvision_form:
        path = tmp_path / "vit.safetensors"
        save_file({name: x.copy("C") for name, x in arrays.items()}, path)
    else:
        path = tmp_path / "vit.npz"
        np.savez(path, **arrays)
    jax.tree.map(
        np.testing.assert_array_equal, models.read_vit(path, params).params, params
    )


def test_a_head_for_other_classes_stays_the_networks_own(state_dict, tmp_path):
    save_file(state_dict, tmp_path / "vit.safetensors")
    params = _random(_template(num_classes=3)[1])
    found = models.read_vit(tmp_path / "vit.safetensors", params)
    assert found[1:] == ("torchvision", 7, True)
    jax.tree.map(np.testing.assert_array_equal, found.params["head"], params["head"])
    np.testing.assert_array_equal(found.params["token"], state_dict["class_token"])


def test_half_precision_becomes_float32(state_dict, tmp_path):
    half = {name: x.astype(ml_dtypes.bfloat16) for name, x in state_dict.items()}
    save_file(half, tmp_path / "vit.safetensors")
    params = models.read_vit(tmp_path / "vit.safetensors", _template()[1]).params
    assert {x.dtype for x in jax.tree.leaves(params)} == {np.dtype("float32")}
    token = half["class_token"].astype(np.float32)
    np.testing.assert_array_equal(params["token"], token)


_LAYER = "encoder.layers.encoder_layer_1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {f"{_LAYER}.ln_2.bias": None},
            rf"lacks the array '{_LAYER}.ln_2.bias' of .*12",
        ),
        ({"heads.head.bias": None}, "lacks the array 'heads.head.bias'"),
        ({"heads.head.weight": None}, "lacks the array 'heads.head.weight' of .*7, 12"),
        (
            {"pre_logits.bias": np.ones(12)},
            "has the array 'pre_logits.bias', for which",
        ),
        (
            {"conv_proj.weight": np.ones((12, 3, 2, 2))},
            r"'conv_proj.weight' has shape \(12, 3, 2, 2\), expected \(12, 3, 4, 4\)$",
        ),
        (
            {"encoder.pos_embedding": np.ones((1, 5, 12))},
            r"'encoder.pos_embedding' has shape \(1, 5, 12\), expected \(1, 7, 12\): "
            "it is for images of another size, and is not interpolated",
        ),
        (
            {"class_token": np.ones((1, 1, 12), int)},
            "'class_token' is of int64; allowed",
        ),
    ],
)
def test_another_network_is_refused_by_the_array(change, message, state_dict, tmp_path):
    arrays = {n: x for n, x in (state_dict | change).items() if x is not None}
    save_file(arrays, tmp_path / "vit.safetensors")
    with pytest.raises(ValueError, match=message) as refused:
        models.read_vit(tmp_path / "vit.safetensors", _template()[1])
    assert str(tmp_path / "vit.safetensors") in str(refused.value)


def test_a_deeper_archive_and_another_grid_are_refused(archive, tmp_path):
    np.savez(tmp_path / "vit.npz", **archive)
    with pytest.raises(ValueError, match="has the array 'Transformer/encoderblock_1/"):
        models.read_vit(tmp_path / "vit.npz", _template(depth=1)[1])
    name = "Transformer/posembed_input/pos_embedding"
    np.savez(tmp_path / "vit.npz", **archive | {name: np.ones((1, 10, HIDDEN))})
    with pytest.raises(ValueError, match=f"'{name}' has shape .* not interpolated"):
        models.read_vit(tmp_path / "vit.npz", _template()[1])


def test_objects_pickles_and_absent_files_are_refused(archive, tmp_path):
    np.savez(tmp_path / "vit.npz", **archive | {"cls": np.array([{}], object)})
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        models.read_vit(tmp_path / "vit.npz", _template()[1])
    (tmp_path / "vit.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=r"Pickles \(.pt, .pth\) are never read"):
        models.read_vit(tmp_path / "vit.pth", _template()[1])
    with pytest.raises(FileNotFoundError, match="there is no file"):
        models.read_vit(tmp_path / "absent.npz", _template()[1])

"""The tables that `make_tables.py` makes: which runs fill them, what the papers have.

The papers' numbers are mean ± standard deviation in per cent. A method that a line
lacks, the paper has not run.

References:
  Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR 2024
  (arXiv 2312.13247), Tables 1 and 2.
  Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
  2305.14122), Figure 5.
  Karkar et al. (arXiv 2306.04252), of least action: the best epoch on half of the test
  set.
"""

from collections.abc import Mapping, Sequence

from table_entries import Definition, Entry

_TREATMENTS = ("snap", "freeze", "tied")  # of embedded weights


def _table_1(
    label: str, config: str, sgd: str, cmd: str, *p_bfgs: str, variant: str = ""
) -> list[Entry]:
    """The line of a network, and that of the run that goes on in subspaces."""
    methods = ["P-BFGS (equal)", "P-BFGS (long)"]
    subspaces = dict(zip(methods, p_bfgs, strict=False))
    return [
        Entry(label, config, variant, {"SGD": sgd, "Online CMD": cmd}),
        Entry(f"{label}, subspaces too", f"{config}_subspace", variant, subspaces),
    ]


def _table_2(config: str, numbers: Mapping[str, Sequence[str]]) -> list[Entry]:
    methods = ("SGD", "EMA", "SWA", "Online CMD")
    return [
        Entry(label, config, place, dict(zip(methods, row, strict=False)))
        for place, (label, row) in enumerate(numbers.items())
    ]


def _transfer(label: str, config: str, *numbers: str, variant: str | int = "") -> Entry:
    methods = ("Naive", "GMT", "FGMT", "Oracle")
    return Entry(label, config, variant, dict(zip(methods, numbers, strict=False)))


_MNIST = ("97.74 ± 0.03", "98.06 ± 0.05", "97.94 ± 0.14", "97.95 ± 0.15")
_SMALL_CONV8 = "model.width=8 train.total_epochs=10*"
_VARIANTS = ("vanilla", "LAP", "fixed weight")
_TOYS = (
    *(f"{name}, hidden 2" for name in (*_VARIANTS, "LAP with the un-squared norm")),
    *(f"{name}, hidden 16" for name in _VARIANTS[:2]),
)
_TESTED = "best on the validation split"


def _swept(name: str, config: str, variants: Sequence[str]) -> list[Entry]:
    """A line for each of a config's overrides."""
    return [Entry(f"{name}: {v}", config, place) for place, v in enumerate(variants)]


def _few_images(config: str, size: int, fields: str) -> list[Entry]:
    """LAP's variants with `size` training images, which `fields` stand for."""
    changes = ("least_action.variant=vanilla", "", "least_action.variant=fixed weight")
    return [
        Entry(
            f"{size} images: {variant}",
            config,
            " ".join(sorted(filter(None, [change, *fields.split()]))),
        )
        for variant, change in zip(_VARIANTS, changes, strict=True)
    ]


def _published(label: str, config: str, *numbers: str) -> list[Entry]:
    return [
        Entry(f"{label}, {variant}", config, place, {_TESTED: number})
        for place, (variant, number) in enumerate(zip(_VARIANTS, numbers, strict=False))
    ]


_RESNET18 = {
    "SGD": ("90.68 ± 0.29", "92.02 ± 0.16", "92.09 ± 0.10", "92.26 ± 0.12"),
    "SGD + momentum": ("90.91 ± 0.52", "92.22 ± 0.43", "92.28 ± 0.44", "92.43 ± 0.34"),
    "SGD + momentum + schedule": (
        *("91.29 ± 0.23", "91.28 ± 0.23", "91.29 ± 0.24", "91.68 ± 0.21"),
    ),
    "Adam": ("89.59 ± 0.43", "91.43 ± 0.39", "91.65 ± 0.43", "91.70 ± 0.51"),
}
_UNPUBLISHED = dict.fromkeys(_RESNET18, ())

TABLES = {
    "table_1": Definition(
        "Table 1, networks on CIFAR-10: test accuracy of the last record, mean ± "
        "standard deviation (seeds); SGD stands for the optimizer of the config",
        "network",
        [
            *_table_1(
                *("ResNet18", "resnet18"),
                *("90.91 ± 0.52", "92.43 ± 0.34", "89.34 ± 0.54", "91.03 ± 0.38"),
            ),
            *_table_1(
                *("WideResNet-28-10", "wide_resnet"),
                *("92.70 ± 0.48", "93.21 ± 0.50", "88.65 ± 0.77", "92.78 ± 0.25"),
            ),
            *_table_1(
                *("PreRes164", "pre_resnet"),
                *("90.64 ± 0.98", "91.34 ± 1.20", "90.76 ± 1.14", "90.91 ± 0.77"),
            ),
            *_table_1(
                *("LeNet-5", "lenet5"),
                *("75.36 ± 0.57", "76.77 ± 0.60", "74.67 ± 0.35", "76.44 ± 0.37"),
            ),
            *_table_1(
                *("GoogLeNet", "googlenet"),
                *("92.05 ± 0.48", "93.07 ± 0.49", "92.01 ± 1.05", "92.41 ± 0.38"),
            ),
            *_table_1(
                *("ViT-b-16 (pretrained)", "vit_b16"),
                *("97.86 ± 0.11", "97.99 ± 0.28", "95.05 ± 0.69"),
                variant="branch.source=torchvision-*",  # and the file's checksum
            ),
        ],
    ),
    "table_2": Definition(
        "Table 2, optimizers of ResNet18 on CIFAR-10: test accuracy of the last "
        "record, mean ± standard deviation (seeds); the method SGD is the optimizer "
        "alone, the paper's baseline",
        "optimizer",
        _table_2("resnet18_optimizers", _RESNET18),
    ),
    "digits_optimizers": Definition(
        "The optimizers of Table 2 for an MLP on digits, which the paper has not: the "
        "method SGD is the optimizer alone",
        "optimizer",
        _table_2("digits_optimizers", _UNPUBLISHED),
    ),
    "mnist_mlp_optimizers": Definition(
        "The optimizers of Table 2 for an MLP on MNIST, which the paper has not: the "
        "method SGD is the optimizer alone",
        "optimizer",
        _table_2("mnist_mlp_optimizers", _UNPUBLISHED),
    ),
    "mlps": Definition(
        "MLPs, which the paper has not: test accuracy of the last record, mean ± "
        "standard deviation (seeds)",
        "network",
        [Entry("MLP on digits", "digits"), Entry("MLP on MNIST", "mnist_mlp")],
    ),
    "embedded": Definition(
        "Embedded CMD, whose accuracies the paper does not give: test accuracy of the "
        "last record, mean ± standard deviation (seeds); the methods SGD and Embedded "
        "CMD are the trained network itself",
        "embedded weights",
        [
            *_swept("MLP on digits", "digits_embedded", ("none", *_TREATMENTS)),
            *_swept("MLP on MNIST", "mnist_mlp_embedded", ("none", *_TREATMENTS)),
            Entry("LeNet-5 on CIFAR-10: none", "lenet5"),
            *_swept("LeNet-5 on CIFAR-10", "lenet5_embedded", _TREATMENTS),
        ],
    ),
    "subspace": Definition(
        "Training in the subspace of the first records, beside Online CMD, which the "
        "paper has for larger networks: test accuracy at the end of the run, mean ± "
        "standard deviation (seeds)",
        "network",
        [
            Entry("MLP on digits", "digits_subspace"),
            Entry("MLP on MNIST", "mnist_mlp_subspace"),
        ],
    ),
    "tiny_shakespeare": Definition(
        "A small decoder transformer on tiny Shakespeare, which no paper has: test "
        "accuracy of the next character at the last record, mean ± standard deviation "
        "(seeds); the method SGD is Adam alone",
        "network",
        [Entry("decoder", "tiny_shakespeare")],
    ),
    "transfer": Definition(
        "Transfer to an initialisation that is never trained: test accuracy at "
        "the step chosen on validation, mean ± standard deviation (pairs); the paper's "
        "is the peak on its validation split. MNIST is run with PyTorch's "
        "initialisation and one 0.3 times as large: the paper's is unknown",
        "network",
        [
            _transfer("MLP on digits", "transfer_digits"),
            _transfer("MLP on MNIST", "transfer_mnist_mlp", *_MNIST, variant=0),
            _transfer("MLP on MNIST, 0.3", "transfer_mnist_mlp", *_MNIST, variant=1),
            _transfer(
                *("Conv8 on CIFAR-10", "transfer_cifar10_conv8"),
                *("61.85 ± 2.7", "76.74 ± 3.3", "78.21 ± 2.1", "78.28 ± 3.4"),
            ),
            Entry(
                *("Conv8 of width 8, 10 epochs, on CIFAR-10", "transfer_cifar10_conv8"),
                variant=_SMALL_CONV8,
            ),
            _transfer(
                *("Conv8, CIFAR-10 to CIFAR-100", "transfer_cifar10_cifar100"),
                *("1.21", "6.76", "6.40", "6.90"),
            ),
            Entry(
                "Conv8 of width 8, 10 epochs, CIFAR-10 to CIFAR-100",
                "transfer_cifar10_cifar100",
                variant=_SMALL_CONV8,
            ),
            _transfer(
                *("ResNet-18 on ImageNet", "transfer_imagenet"),
                *("48.51", "48.67", "49.65", "49.29"),
            ),
            _transfer(
                *("ResNet-18, ImageNet to Cars", "transfer_imagenet_cars"),
                *("1.06", "7.53", "7.21", "13.92"),
            ),
            _transfer(
                *("ResNet-18, ImageNet to CUB", "transfer_imagenet_cub"),
                *("0.83", "21.65", "20.42", "30.11"),
            ),
        ],
    ),
    "least_action_toys": Definition(
        "Least action, points of the plane: test accuracy, mean ± standard deviation "
        "(seeds)",
        "toy",
        [
            *_swept("circles", "least_action_circles", _TOYS),
            *_swept("moons", "least_action_moons", _TOYS),
        ],
    ),
    "least_action_digits": Definition(
        "Least action, digits with few training images, which the paper has not: test "
        "accuracy, mean ± standard deviation (seeds)",
        "training set",
        [
            *_swept("100 images", "least_action_digits", _VARIANTS),
            *_few_images(
                *("least_action_digits", 300),
                "eval.every_epochs=3 least_action.num_train=300 train.total_epochs=33",
            ),
            *_few_images(
                *("least_action_digits", 1000),
                "eval.every_epochs=1 least_action.num_train=1000 train.total_epochs=10",
            ),
        ],
    ),
    "least_action_mnist": Definition(
        "Least action, MNIST with few training images: a width of 8 for the paper's "
        "32, 150 steps of 100 images, 1 000 images of validation; test accuracy, mean "
        "± standard deviation (seeds)",
        "training set",
        [
            *_few_images(
                *("least_action_mnist", 100),
                "data.num_validation=1000 eval.every_epochs=50 model.width=8 "
                "train.total_epochs=150",
            ),
            *_few_images(
                *("least_action_mnist", 500),
                "data.num_validation=1000 eval.every_epochs=10 model.width=8 "
                "least_action.num_train=500 train.total_epochs=30",
            ),
            *_few_images(
                *("least_action_mnist", 1000),
                "data.num_validation=1000 eval.every_epochs=5 model.width=8 "
                "least_action.num_train=1000 train.total_epochs=15",
            ),
        ],
    ),
    "least_action_published": Definition(
        "Least action, rows with published numbers (the best epoch on half of the test "
        "set): test accuracy, mean ± standard deviation (seeds)",
        "network",
        [
            *_published(
                "ResNet110 on CIFAR-10",
                "least_action_cifar10_resnet110",
                *("92.52", "93.52"),
            ),
            *_published(
                "ResNeXt50 on CIFAR-100",
                "least_action_cifar100_resnext50",
                *("74.38", "77.20"),
            ),
        ],
    ),
}

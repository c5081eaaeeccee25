"""200 mutated command lines and config files: each runs, or is refused in one message.

The generator is seeded. `--dry_run` builds all that a run needs; how long it would take
is not measured here. The slow test trains what was allowed.
"""

import random
import re

import pytest

from cmd_jax import config as configs
from experiments import run
from experiments.configured import estimate

PARTS, PER_PART = 10, 20
VALUES = (
    *("-1", "0", "1", "2", "3", "2.5", "-0.5", "0.5", "1e9", "99999999999999"),
    *("4294967296", "nan", "inf", "-inf", "None", "True", "", "x", "[1]", "(1, 2.5)"),
    *("{}", "0x10", "0.9"),
    *("digits", "adam", "cosine", "scan", "lenet5", "bfloat16_delta", "*kernel"),
)
ARGUMENTS = (
    *("smok", "smoke=maybe", "smoke=1", "width=3", "=3", "smoke,,x", "smoke width"),
    *(":", "smoke=true=true", "SMOKE"),
)
FLAGS = (
    *(
        ("--dry_rum",),
        ("--output", "unexpected"),
        ("--overwrite=7",),
        ("--data_dir",),
        ("-x",),
    ),
    *(("more",), ("--config.seed",), ("--config.train=3",), ("--config.=3",)),
    *(("--config", "digits"), ("--config=",), ("--config.seed.x=1",), ("--config.=3",)),
)
CONTRADICTIONS = {  # with a word that the message has to say
    ("record.num_weights=9", "record.pattern=*kernel"): "pattern",
    ("record.every_epochs=0",): "records",
    ("optimizer.nesterov=True",): "momentum",
    ("optimizer.name=adam", "optimizer.nesterov=True"): "momentum",
    ("optimizer.warmup_epochs=6",): "warm-up",
    ("modes.num_modes=9", "modes.num_samples=8"): "num_modes",
    ("record.num_weights=50", "modes.num_samples=60"): "num_samples",
    ("train.total_epochs=2",): "records",
    ("train.total_epochs=999999", "record.every_steps=1"): "every_steps",
    ("data.num_validation=1430",): "batch_size",
    ("data.crop_padding=9",): "crop_padding",
    ("model.name=lenet5",): "hidden",
    ("model.hidden=(1000000, 1000000)",): "memory",
    ("train.num_seeds=1000", "model.hidden=(30000, 30000)"): "memory",
}
LINES = (
    *("config.train.total_epoch = 3", "config.trian = 3", "del config.train"),
    *("config.modes.num_mode = 3", "del config.modes.num_modes", "del config.modes"),
    *("config.train.batch_size = None", "config.train.batch_size = 2.5"),
    *("config.train = None", "config.model = 3", "config.model.layers = 3"),
    *("config.data.shape = 3", "config.optimizer.rate = 3", "config.seed = True"),
    *("config = None", "raise RuntimeError('config')", "config.x.y = config"),
    *("config.log.wandb = 3", "config.study = None", "config = SyntaxError +"),
)
SMOKE = ("--config", "digits:smoke", "--config.train.num_seeds=1")


def _flat(block, prefix=""):
    for name, value in block.items():
        if hasattr(value, "items"):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


FIELDS = tuple(_flat(configs.load(run.CONFIGS / "digits.py", "smoke")))


def _misspelt(name, draws):
    place = draws.randrange(len(name))
    return name[:place] + draws.choice(("", name[place] * 2, "q")) + name[place + 1 :]


def _mutate(draws, folder):
    """Words of a command line, and what of them a message has to name."""
    kind = draws.choices(range(6), weights=(10, 3, 1, 1, 3, 3))[0]
    field = draws.choice(FIELDS)
    if kind == 0:
        override = f"--config.{field}={draws.choice(VALUES)}"
        return (*SMOKE, override), override
    if kind == 1:
        override = f"--config.{_misspelt(field, draws)}=1"
        return (*SMOKE, override), override
    if kind == 2:
        argument = draws.choice(ARGUMENTS)
        return ("--config", f"digits:{argument}", *SMOKE[2:]), f"argument {argument}"
    if kind == 3:
        words = draws.choice(FLAGS)
        return (*SMOKE, *words), " ".join(words)
    if kind == 4:
        texts, word = draws.choice(list(CONTRADICTIONS.items()))
        return (*SMOKE, *(f"--config.{text}" for text in texts)), word
    path, line = folder / f"mutated_{draws.randrange(10**9)}.py", draws.choice(LINES)
    path.write_text(
        "from cmd_jax import config as configs\n\n\n"
        "def get_config(argument=None):\n"
        f"    config = configs.load({str(run.CONFIGS / 'digits.py')!r}, 'smoke')\n"
        f"    {line}\n"
        "    return config\n"
    )
    return ("--config", str(path)), line


def _mutations(part, folder):
    draws = random.Random(part)
    return [_mutate(draws, folder) for _ in range(PER_PART)]


def _is_named(mutated, text):
    """Whether a message speaks of what was mutated."""
    words = set(re.findall(r"\w+", mutated)) - {"config"} or {"config"}
    return any(re.search(rf"\b{word}\b", text) for word in words)


@pytest.fixture
def try_run(run_main, tmp_path, capsys):
    """`try_run(arguments) -> (exit code, what it printed as errors)`."""

    def attempt(arguments, number, *, dry):
        output = tmp_path / f"runs_{number}"
        words = (*arguments[:2], *(["--dry_run"] if dry else []), *arguments[2:])
        capsys.readouterr()
        code = run_main(output, *words)
        text = capsys.readouterr().err
        if dry or code == 2:
            assert not output.exists(), arguments
        return code, text

    return attempt


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_configs_run_or_are_refused_in_one_message(
    part, try_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(estimate, "measure", lambda setup: 1.0)
    monkeypatch.setenv("CMD_JAX_DATA", str(tmp_path / "no_data"))
    for number, (arguments, mutated) in enumerate(_mutations(part, tmp_path)):
        code, text = try_run(arguments, number, dry=True)
        assert code in (0, 2), (arguments, text)
        assert text.count("error:") == (code == 2), (arguments, text)
        assert code == 0 or _is_named(mutated, text), (mutated, text)


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_takes_or_refuses_every_value(
    field, try_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(estimate, "measure", lambda setup: 1.0)
    monkeypatch.setenv("CMD_JAX_DATA", str(tmp_path / "no_data"))
    for number, value in enumerate(VALUES):
        override = f"--config.{field}={value}"
        code, text = try_run((*SMOKE, override), number, dry=True)
        assert code in (0, 2), (override, text)
        assert text.count("error:") == (code == 2), (override, text)
        assert code == 0 or _is_named(override, text), (override, text)


@pytest.mark.slow
def test_what_is_allowed_trains(try_run, tmp_path, monkeypatch):
    monkeypatch.setenv("CMD_JAX_DATA", str(tmp_path / "no_data"))
    mutations = [m for part in range(PARTS) for m in _mutations(part, tmp_path)]
    trained = 0
    for number, (arguments, _) in enumerate(mutations):
        with monkeypatch.context() as patch:
            patch.setattr(estimate, "measure", lambda setup: 1.0)
            allowed, _ = try_run(arguments, f"dry_{number}", dry=True)
        if allowed == 0:
            code, text = try_run(arguments, number, dry=False)
            diverged = code == 1 and "the loss of step" in text
            assert code == 0 or diverged, (arguments, text)
            trained += 1
    assert trained >= 5  # of the mutations that are drawn most are refused

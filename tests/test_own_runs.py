"""The page about other people's runs: its examples run, its commands are understood."""

import re
import shlex

import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from safetensors.numpy import save_file


@pytest.fixture
def text(repository):
    return (repository / "docs" / "own_runs.md").read_text()


def _state_dict(epoch):
    rng = np.random.default_rng(epoch)
    return {
        "layer1.0.weight": rng.normal(size=(8, 9)).astype(np.float32),
        "bn1.running_mean": rng.normal(size=9).astype(np.float32),
        "bn1.num_batches_tracked": np.array(epoch),
    }


def test_the_examples_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for epoch in range(6):
        save_file(_state_dict(epoch), f"run/epoch_{epoch}.safetensors")
    params = {"w": np.ones(3, np.float32)}
    with ocp.CheckpointManager(tmp_path / "checkpoints") as manager:
        for step in (0, 10):
            optimizer = optax.sgd(0.1, momentum=0.9).init(params)
            state = {"params": params, "opt_state": optimizer}
            manager.save(step, args=ocp.args.StandardSave(state))
        manager.wait_until_finished()
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "own_runs.md", "exec"), names)
    fit = names["decomposition"]
    assert set(fit.carried) == {"bn1/num_batches_tracked", "bn1/running_mean"}
    assert names["t"].steps.tolist() == names["momentum"].steps.tolist() == [0, 10]
    assert (tmp_path / "run_trajectory").is_dir()


def test_the_commands_are_understood(text):
    from experiments import run

    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    commands = [shlex.split(line) for line in "".join(blocks).splitlines()]
    parsed = [run.parse(command[1:]) for command in commands]
    options = [found for found, _ in parsed if found is not None]
    assert len(options) == len(parsed) == 5
    assert parsed[1][1][0][1].branch.record == 5
    assert str(options[3].training_of) == "runs/lenet5-1a2b3c4d"
    assert str(options[4].export) == "networks"

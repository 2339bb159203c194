"""The fastest faithful config is chosen; small runs are not tuned; noise is not chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from students.models.build import build_model
from students.models.config import Model, Preprocessing
from students.models.in_a_row import Mlp
from students.models.network import Network, Preprocess
from students.models.residual import ResNetCifar
from teachers.inference.inference_config import InferenceConfig, plain
from teachers.qualification import autotune
from teachers.qualification.autotune import tune
from teachers.qualification.records import Tuning, read_record, write_record

PICTURES = torch.randint(
    0, 256, (100, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
MANY = 10**12


def network(config: Model) -> Network:
    model = build_model(config, input_shape=(1, 8, 8), classes=10, seed=1, folder=Path())
    return wrapped(model)


def wrapped(model: nn.Module) -> Network:
    return Network(Preprocess(Preprocessing(), mean=[0.3], std=[0.3]), model)


def tuned(net: Network, samples: int = MANY) -> Tuning:
    return tune(
        net, (), PICTURES, threads=1, device="cpu", temperature=4.0, samples_to_answer=samples
    )


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """No compiler, which takes most of the time; short turns; no limit for a slow machine."""
    monkeypatch.setattr(autotune, "can_compile", lambda device: False)
    monkeypatch.setattr(autotune, "SECONDS", 0.1)
    monkeypatch.setattr(autotune, "LONGEST_SECONDS", 1e9)


def test_a_small_run_is_not_tuned_whatever_the_clock_says() -> None:
    found = tuned(network(Mlp(hidden=(64,))), samples=60 * 1500)
    assert found == Tuning(plain(1), None, None, (), found.reason)
    assert "need no tuning" in found.reason


def test_every_candidate_is_recorded_with_its_rate_and_why_it_was_not_chosen(
    tmp_path: Path,
) -> None:
    found = tuned(network(ResNetCifar(depth=8)))
    inferences = [trial.inference for trial in found.trials]
    assert inferences[0] == plain(1)
    assert InferenceConfig("fp32", True, False, 64, 1, folded=True) in inferences
    assert InferenceConfig("bf16", True, False, 64, 1, folded=True) in inferences
    assert {inference.forward_batch for inference in inferences} == {32, 64, 128}
    assert len(set(inferences)) == len(inferences)
    assert all(trial.rate for trial in found.trials)
    assert [trial.inference for trial in found.trials if not trial.rejected] in (
        [found.chosen],
        [plain(1)],
    )
    assert found.chosen == plain(1) or found.gain > autotune.WORTH_GAIN
    write_record(tmp_path, found)
    assert read_record(tmp_path, Tuning) == found


def test_the_network_is_left_as_it_was() -> None:
    net = network(ResNetCifar(depth=8))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    strides = {name: value.stride() for name, value in net.state_dict().items()}
    tuned(net)
    assert {name: value.stride() for name, value in net.state_dict().items()} == strides
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_what_is_fast_and_unfaithful_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "WORTH_GAIN", 0.0)
    monkeypatch.setattr(autotune, "FORWARD_BATCHES", {"cpu": ()})
    net = network(Mlp(hidden=(64,)))
    net.model.register_forward_hook(coarse)
    found = tuned(net)
    low = next(trial for trial in found.trials if trial.inference.precision == "bf16")
    assert found.chosen == plain(1)
    assert low.rejected == "slower" or low.rejected.startswith("not faithful: mean KL")


def coarse(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    """Another answer, in low precision."""
    return output.roll(1, 1) if output.dtype == torch.bfloat16 else output


class Noisy(nn.Module):
    """One that is not the same twice."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.linear(x.flatten(1))
        return scores + torch.randn_like(scores)


class BatchDependent(nn.Module):
    """One whose answers depend on the rest of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.linear(x.flatten(1))
        return scores + 1e-3 * scores.cumsum(0)


@pytest.mark.parametrize("kind", [Noisy, BatchDependent])
def test_a_teacher_that_is_not_deterministic_is_run_plainly(
    kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "WORTH_GAIN", 0.0)
    assert tuned(wrapped(kind())).chosen == plain(1)

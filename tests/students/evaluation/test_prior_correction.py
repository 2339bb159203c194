import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from students.evaluation.prior_correction import TOLERANCE, prior_correction

SEEDS = st.integers(0, 10_000)


def _scores(seed, sharpness, samples=60, classes=5, bias=1.0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    return sharpness * (scores + bias * torch.linspace(-1, 1, classes, dtype=torch.float64))


def _mean(scores):
    return torch.softmax(scores, 1).mean(0)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.01, 1.0, 5.0, 30.0, 1000.0]))
def test_the_corrected_mean_prediction_is_uniform_however_sharp(seed, sharpness):
    scores = _scores(seed, sharpness)
    shift = prior_correction(scores)
    assert float((5 * _mean(scores + shift) - 1).abs().max()) <= 1.01 * TOLERANCE
    assert abs(float(shift.sum())) < 1e-6 * sharpness + 1e-9


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_correction_undoes_a_shift_of_the_classes_and_ignores_one_of_the_samples(seed):
    scores = _scores(seed, 2.0)
    base = prior_correction(scores)
    moved = torch.tensor([3.0, -1.0, 0.0, -2.0, 0.0], dtype=torch.float64)
    rows = torch.linspace(-5, 5, 60, dtype=torch.float64).unsqueeze(1)
    torch.testing.assert_close(
        prior_correction(scores + moved + rows), base - moved, atol=1e-4, rtol=0
    )


def test_uniform_predictions_are_not_shifted():
    assert torch.equal(prior_correction(torch.eye(4) * 3), torch.zeros(4, dtype=torch.float64))


def test_a_class_without_training_samples_is_predicted_again():
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(500) % 5
    scores = 6 * torch.nn.functional.one_hot(targets, 5) + torch.randn(500, 5, generator=generator)
    scores[:, 3] -= 9
    threes = targets == 3
    assert float((scores.argmax(1) == 3)[threes].double().mean()) < 0.1
    corrected = scores + prior_correction(scores)
    assert float((corrected.argmax(1) == targets).double().mean()) > 0.98


def test_log_probabilities_and_single_precision_give_the_same_shift():
    scores = _scores(1, 3.0)
    shift = prior_correction(scores)
    torch.testing.assert_close(prior_correction(scores.log_softmax(1)), shift, atol=1e-4, rtol=0)
    single = prior_correction(scores.float())
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, shift, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "scores",
    [torch.empty(0, 3), torch.tensor([[0.0, float("nan")]]), torch.tensor([[1.0, 0]]).log()],
)
def test_scores_that_are_empty_or_not_finite_are_refused(scores):
    with pytest.raises(ValueError, match="`scores_BC`"):
        prior_correction(scores)

import math

import pytest
import torch

from students.evaluation.metrics import (
    accuracy,
    agreement,
    calibration_error,
    mean_soft_targets,
    negative_log_likelihood,
    per_class_accuracy,
)

SCORES = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]]).log()
TARGETS = torch.tensor([0, 1, 1, 0])


def test_metrics_of_four_samples_are_those_computed_by_hand():
    assert accuracy(SCORES, TARGETS) == 0.5
    by_hand = -(math.log(0.7) + math.log(0.6) + math.log(0.4) + math.log(0.2)) / 4
    assert negative_log_likelihood(SCORES, TARGETS) == pytest.approx(by_hand, abs=1e-6)
    # Bins of 1/15: 0.7 alone; 0.6 twice, once right, in (8/15, 9/15]; 0.5 alone, wrong.
    expected = (abs(1 - 0.7) + abs(1 - 2 * 0.6) + abs(0 - 0.5)) / 4
    assert calibration_error(SCORES, TARGETS) == pytest.approx(expected, abs=1e-6)


def test_logits_and_log_probabilities_have_the_same_metrics():
    logits = 4 * torch.randn(50, 5, generator=torch.Generator().manual_seed(0)).double()
    targets = torch.arange(50) % 5
    for metric in (accuracy, negative_log_likelihood, calibration_error):
        of_logits, of_log = (metric(z, targets) for z in (logits, logits.log_softmax(1)))
        assert of_logits == pytest.approx(of_log)


def test_confidence_on_a_bins_edge_belongs_to_the_lower_bin():
    scores = torch.tensor([[0.5, 0.5], [0.51, 0.49]], dtype=torch.float64).log()
    targets = torch.tensor([0, 1])
    apart = (abs(1 - 0.5) + abs(0 - 0.51)) / 2
    together = abs((1 - 0.5) + (0 - 0.51)) / 2
    assert calibration_error(scores, targets, bins=2) == pytest.approx(apart)
    assert calibration_error(scores, targets, bins=1) == pytest.approx(together)


def test_confidence_equal_to_accuracy_has_no_calibration_error():
    scores = torch.tensor([[0.75, 0.25]], dtype=torch.float64).log().expand(4, 2)
    assert calibration_error(scores, torch.tensor([0, 0, 0, 1])) == pytest.approx(0, abs=1e-12)


def test_confident_and_wrong_is_the_worst_calibration():
    scores = torch.tensor([[1e4, 0.0]])
    assert calibration_error(scores, torch.tensor([1])) == 1.0
    assert negative_log_likelihood(scores, torch.tensor([1])) == 1e4


def test_a_target_of_probability_zero_has_an_infinite_likelihood_loss():
    scores = torch.tensor([[1.0, 0.0]]).log()
    assert negative_log_likelihood(scores, torch.tensor([1])) == math.inf


def test_samples_without_a_label_do_not_count():
    scores = torch.cat([SCORES, torch.tensor([[9.0, 0.0, 0.0]])])
    targets = torch.cat([TARGETS, torch.tensor([-1])])
    for metric in (accuracy, negative_log_likelihood, calibration_error):
        assert metric(scores, targets) == metric(SCORES, TARGETS)
        assert math.isnan(metric(SCORES, torch.full((4,), -1)))


def test_agreement_is_the_share_of_equal_predictions_also_on_unlabelled_samples():
    other = SCORES[[0, 2, 1, 0]]
    assert agreement(SCORES, SCORES) == 1.0
    assert agreement(SCORES, other) == 0.25


def test_accuracy_of_each_class_is_nan_where_it_has_no_sample():
    got = per_class_accuracy(SCORES, TARGETS)
    assert got[:2].tolist() == [0.5, 0.5] and math.isnan(got[2])


def test_mean_soft_targets_are_the_mean_row_of_each_class():
    got = mean_soft_targets(SCORES.exp(), torch.tensor([0, 1, 1, -1]), 3)
    expected = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.5, 0.2]], dtype=torch.float64)
    torch.testing.assert_close(got[:2], expected, atol=1e-6, rtol=0)
    assert got[2].isnan().all()

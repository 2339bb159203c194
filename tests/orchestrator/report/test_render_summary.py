"""The sentences of a report say what its figures say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.report.render_summary import gain_sentence, summary
from orchestrator.results.run_report import PartScores, RunReport
from orchestrator.results.teaching_report import Prediction, StepSpeed
from tests.orchestrator.report_samples import report, teacher_weights, teaching, terms


def sentences(of: RunReport) -> list[str]:
    """Those on the run's weights, terms and teaching: not on optimistic figures, nor the gain."""
    return [sentence for sentence in summary(of)[:-1] if not sentence.startswith("*")]


@pytest.mark.parametrize(
    ("student", "untaught", "ending"),
    [
        (
            0.9289, 0.8889, "92.9 %, 4.0 points above the same student without teachers (88.9 %); "
            "this closes 39 % of the gap to its ensemble (99.2 %).",
        ),
        (
            0.8789, 0.8889, "87.9 %, 1.0 points below the same student without teachers (88.9 %); "
            "the gap to its ensemble (99.2 %) grows from 10.3 to 11.3 points.",
        ),
        (
            0.8889, 0.8889, "88.9 %, which does not differ from the same student without teachers "
            "(88.9 %); this closes nothing of the gap to its ensemble (99.2 %).",
        ),
        (
            0.9950, 0.8889, "99.5 %, 10.6 points above the same student without teachers (88.9 %) "
            "and 0.3 points above its ensemble (99.2 %).",
        ),
        (
            0.9922, 0.8889, "99.2 %, 10.3 points above the same student without teachers (88.9 %); "
            "this closes 100 % of the gap to its ensemble (99.2 %).",
        ),
        (
            0.9950, 0.9930, "99.5 %, 0.2 points above the same student without teachers (99.3 %); "
            "there is no gap to close, since its ensemble (99.2 %) is no better than that.",
        ),
        (
            0.9900, 0.9930, "99.0 %, 0.3 points below the same student without teachers (99.3 %); "
            "there is no gap to close, since its ensemble (99.2 %) is no better than that.",
        ),
    ],
)  # fmt: skip
def test_the_last_sentence_says_gain_or_loss_and_the_gap(
    student: float, untaught: float, ending: str
) -> None:
    sentence = gain_sentence(report(student, untaught))
    assert sentence == f"The student's test accuracy is {ending}"
    assert summary(report(student, untaught))[-1] == sentence


def test_the_last_sentence_does_without_what_is_absent() -> None:
    no_control = replace(report(), untaught=None)
    assert gain_sentence(no_control) == (
        "The student's test accuracy is 92.9 %; its ensemble's is 99.2 %."
    )
    alone = replace(no_control, ensemble=None)
    assert gain_sentence(alone) == "The student's test accuracy is 92.9 %."
    assert gain_sentence(replace(report(), ensemble=None)).endswith("without teachers (88.9 %).")
    ended = replace(report(), student=None, outcome="interrupted")
    assert gain_sentence(ended) == "The run ended (interrupted) before its student was trained."


def test_figures_on_samples_that_the_weights_have_seen_are_called_optimistic() -> None:
    first, *_ = summary(report())
    assert first.startswith("* These weights have seen the training samples")
    assert "the validation accuracy is optimistic, the test accuracy is not." in first
    fair = replace(report(), teachers={}, ensemble=None)
    assert not any("optimistic" in sentence for sentence in summary(fair))


def test_a_class_that_the_student_was_never_shown_has_its_own_sentence() -> None:
    def on_threes(share: float) -> PartScores:
        return PartScores(0.9, 0.3, 0.02, 0.9, tuple(share if n == 3 else 0.95 for n in range(10)))

    student, untaught = report().student, report().untaught
    student = replace(student, test=on_threes(0.68), corrected=on_threes(0.9912))
    untaught = replace(untaught, test=on_threes(0.0))
    of = replace(report(), student=student, untaught=untaught, omitted=(3,))
    first, second = sentences(of)
    assert first == (
        "Test accuracy on class '3', which the student was never shown: the student 68.0 % (99.1 % "
        "after prior correction), 'untaught' 0.0 %."
    )
    assert second == (
        "After prior correction (one shift per class, no labels used) the test accuracy of the "
        "student is 90.0 % instead of 90.0 %."
    )


def test_the_speed_stands_beside_that_of_the_untaught_student() -> None:
    first, *_ = sentences(report(teaching=teaching()))
    assert first == (
        "The student was trained at 1,500 samples/s, 94 % of the untaught student's speed, and "
        "waited for answers 4 % of that time."
    )


@pytest.mark.parametrize("absent", ["student", "untaught"])
def test_a_speed_that_is_not_known_is_left_out(absent: str) -> None:
    sentence = " ".join(sentences(report(teaching=teaching(**{absent: None}))))
    assert "speed" not in sentence


def test_speeds_are_not_compared_where_other_stages_ran_at_the_same_time() -> None:
    shared, alone = StepSpeed(100.0, 0.0, overlap=0.62), StepSpeed(200.0, 0.0)
    first, second, *_ = sentences(report(teaching=teaching(student=shared, untaught=alone)))
    assert "untaught" not in first
    assert second == (
        "Its speed is not compared with the untaught student's: other stages ran during 62 % of "
        "its own steps."
    )
    both = teaching(student=shared, untaught=StepSpeed(200.0, 0.0, overlap=1.0))
    _, second, *_ = sentences(report(teaching=both))
    assert second.endswith("62 % of its own steps and 100 % of the untaught student's steps.")


def test_the_prediction_stands_beside_what_was_measured() -> None:
    *_, last = sentences(report(teaching=teaching()))
    assert last == (
        "`check --measure` predicted 1,550 samples/s, measured 1,500; 8.0 s for the stage that "
        "ran, measured 9.5 s; 29.0 MB in the bank, measured 30.0 MB."
    )


def test_a_prediction_of_other_stages_has_no_sentence() -> None:
    prediction = Prediction(60.0, stages={"controls.other": 8.0})
    assert len(sentences(report(teaching=teaching(prediction=prediction)))) == 1


@pytest.mark.parametrize(
    ("changed", "seen", "words"),
    [
        (0.003, True, "0.3 % of the samples: all teachers were trained on them and agree on "
         "nearly all."),
        (0.0001, True, "less than 0.1 % of the samples: all teachers were trained on them"),
        (0.0, False, "0.0 % of the samples: the student is taught nearly as by the uniform mean."),
        (0.3, True, "30.0 % of the samples, and its most likely class for 3.1 %."),
    ],
)  # fmt: skip
def test_it_says_what_a_weighting_changed_and_why_so_little(
    changed: float, seen: bool, words: str
) -> None:
    weights = teacher_weights(target_changed=(0.9,) * 19 + (changed,), samples_seen=seen)
    first, *_ = sentences(report(teacher_weights=weights))
    assert words in first
    assert first.startswith("In the last epoch, weighting min_entropy changed the target of ")


def test_a_gating_network_that_is_nearly_uniform_is_no_sign_that_teachers_agree() -> None:
    weights = teacher_weights(target_changed=(0.0,) * 20, samples_seen=True, is_trained=True)
    first, *_ = sentences(report(teacher_weights=weights))
    assert first.endswith("the student is taught nearly as by the uniform mean.")


def test_samples_for_which_the_label_was_the_target_are_counted() -> None:
    weights = teacher_weights(epochs=1, rule="correct_only", fallback_shares=(0.375,))
    sentence = sentences(report(teacher_weights=weights))
    assert "For 37.5 % of them the target was the label, since no teacher was right." in sentence


def test_a_weighting_that_cannot_be_applied_to_held_out_parts_says_so() -> None:
    weights = teacher_weights(rule="confidence", training_only="needs labels")
    *_, last = sentences(report(teacher_weights=weights))
    assert last == (
        "The ensemble's own figures are those of the uniform mean, since weighting confidence "
        "needs labels."
    )


def test_a_gating_network_that_gives_one_teacher_nearly_all_is_pointed_out() -> None:
    shares = {"easy": (0.5, 0.95), "best": (0.5, 0.05)}
    weights = teacher_weights(epochs=2, weights=shares, by_class={}, is_trained=True)
    sentence = " ".join(sentences(report(teacher_weights=weights)))
    assert "The gating network gave easy 95 % of the weight" in sentence
    assert "easiest to imitate" in sentence
    other = replace(weights, is_trained=False)
    assert "gave easy" not in " ".join(sentences(report(teacher_weights=other)))


def test_the_terms_with_the_largest_gradient_are_named() -> None:
    (sentence,) = sentences(report(terms=terms()))
    assert sentence == (
        "Term task has the largest gradient in the first epoch (67 % of the sum of the terms' "
        "gradient norms), soft_targets in the last (92 %)."
    )


def test_terms_that_drove_nothing_in_any_epoch_are_named() -> None:
    norms = {"task": (1.0, 2.0), "soft_targets": (0.0, 0.0005)}
    idle = {name: replace(terms()[name], gradients=norms[name]) for name in norms}
    *_, sentence, _ = summary(replace(report(), terms=idle))
    assert sentence == (
        "Term soft_targets has less than 0.1 % of the sum of the terms' gradient norms in every "
        "epoch, so the student learned nothing from it; take it out, or give it more weight."
    )
    idle["task"] = replace(idle["task"], gradients=(0.0, 0.0))
    assert "Term task has less" in " ".join(summary(replace(report(), terms=idle)))
    at_first = replace(idle["soft_targets"], gradients=(0.5, 0.0))
    idle = {"task": replace(idle["task"], gradients=(1.0, 1.0)), "soft_targets": at_first}
    assert "less than 0.1 %" not in " ".join(summary(replace(report(), terms=idle)))


def test_a_term_that_has_the_largest_gradient_throughout_is_named_once() -> None:
    norms = {"task": (0.3, 0.1), "deep_hint": (0.1, 0.1)}
    steady = {name: replace(terms()[name], gradients=norms[name]) for name in norms}
    (sentence,) = sentences(report(terms=steady))
    assert sentence == (
        "Term task has the largest gradient: 75 % of the sum of the terms' gradient norms in the "
        "first epoch, 50 % in the last."
    )


def test_one_term_alone_and_uniform_weights_have_no_sentence() -> None:
    assert sentences(report(terms={"task": terms()["task"]})) == sentences(report()) == []

"""What a terminal shows of a study."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.report.render_study import (
    all_trials_table,
    best_text,
    print_study,
    study_summary,
    study_tables,
)
from orchestrator.results.study_report import SeedScores, Shared, StudyReport
from tests.orchestrator.study_samples import TRIALS, study, study_of_accuracy, winner


def test_several_scores_are_a_front_in_the_order_of_the_second() -> None:
    front, winners, references = study_tables(study())
    assert front.title.startswith("Pareto front")
    assert front.rows == (
        ("0", "width 16, weight 0.875", "90.00", "1,200"),
        ("2", "width 40, weight 0.875", "95.00", "3,000"),
    )
    assert [row[0] for row in winners.rows] == ["0 (best-0.yaml)", "2 (best-2.yaml)"]
    assert [row[0] for row in references.rows] == ["teacher wide", "ensemble", "untaught"]


def test_one_score_is_a_leaderboard_the_best_first() -> None:
    board, *_ = study_tables(study_of_accuracy())
    assert board.title.startswith("Leaderboard")
    assert [row[0] for row in board.rows] == ["2", "0", "4"]


def test_winners_show_the_trial_the_fresh_seeds_and_by_how_much_they_shrank() -> None:
    _, winners, _ = study_tables(study_of_accuracy())
    assert winners.title == "Winners (mean ± standard deviation over 3 fresh seeds)"
    assert winners.rows == (("2 (best-2.yaml)", "95.00", "93.00 ± 2.00", "+2.00", "93.00 ± 2.00"),)
    loss = study(scores={"nll": "minimize"}, front=(2,), winners=study_of_accuracy().winners)
    [row] = study_tables(loss)[1].rows
    assert row[1:] == ("0.0500", "0.0700 ± 0.0200", "+0.0200", "0.0700 ± 0.0200")


def test_each_score_of_training_has_a_table_of_winners() -> None:
    scores = {"nll": "minimize", "accuracy": "maximize", "parameters": "minimize"}
    _, losses, accuracies, references = study_tables(study(scores=scores))
    fresh = ("fresh seeds", "shrank by")
    assert losses.headers == (
        "trial", "parameters", "validation NLL", *fresh, "test NLL, fresh seeds"
    )  # fmt: skip
    assert accuracies.headers == (
        "trial", "parameters", "validation accuracy, %", *fresh, "test %, fresh seeds"
    )  # fmt: skip
    assert [row[0] for row in losses.rows] == [row[0] for row in accuracies.rows]
    columns = ("validation NLL", "test NLL", "validation %", "test %")
    assert references.headers == ("model", "parameters", *columns)
    assert references.rows[-1] == ("untaught", "1,210", "0.3500", "0.3000", "84.00", "85.00")


def test_winners_without_fresh_seeds_show_the_trials_own() -> None:
    alone = study_of_accuracy()
    alone = replace(alone, winners=(winner(TRIALS[2]),))
    assert study_tables(alone)[1].rows == (("2 (best-2.yaml)", "95.00", "93.00"),)
    assert "luck" not in " ".join(study_summary(alone))


def test_scores_over_several_seeds_are_called_means() -> None:
    several = replace(study_of_accuracy(), seeds=5)
    board, winners, *_ = study_tables(several)
    assert board.title == "Leaderboard (validation part, mean over 5 seeds)"
    assert winners.title.endswith("over 3 fresh seeds)")
    said = " ".join(study_summary(several))
    assert "worse than on the seeds of the trials: of 3 complete trials on 5 seeds, the " in said
    alone = replace(several, winners=(winner(TRIALS[2]),))
    assert study_tables(alone)[1].title.endswith("test part: the student of the first seed)")
    assert "; test accuracy of the first seed: " in " ".join(study_summary(alone))


def test_sentences_say_what_was_luck_what_was_shared_and_what_is_remarkable() -> None:
    shown = " ".join(study_summary(study(remarks=("The space has 5 points.",))))
    assert "is 2.00 points worse than on the seed of the trials: of 3 complete trials" in shown
    assert "Highest validation accuracy over fresh seeds: trial 2 (3,000 parameters)" in shown
    assert "9 stages reused; of 4,120 teacher answers 120 were computed" in shown
    assert shown.endswith("The space has 5 points.")


def test_what_is_chosen_by_its_architecture_alone_is_no_luck() -> None:
    scores = {"parameters": "minimize"}
    assert "luck" not in " ".join(study_summary(study(scores=scores, front=(0,))))


def test_what_was_not_asked_of_teachers_is_no_count() -> None:
    def shared(*counts: int) -> str:
        return " ".join(study_summary(study(shared=Shared(*counts))))

    assert "2 stages reused; no teacher answers were needed." in shared(0, 0, 2)
    assert "Shared" not in shared(0, 0, 0)


def test_the_winner_that_is_named_is_not_chosen_by_the_test_part() -> None:
    report = study()
    worse, better = report.winners
    lucky = replace(worse, test_repeats={"accuracy": SeedScores(0.99, 0.0, (0.99,))})
    shown = " ".join(study_summary(replace(report, winners=(lucky, better))))
    assert f"over fresh seeds: trial {better.trial} (" in shown


def test_a_study_without_a_complete_trial_says_so() -> None:
    empty = study(trials=TRIALS[1:2], front=(), winners=(), references={})
    assert study_tables(empty) == ()
    assert "so there is no winner" in study_summary(empty)[0]
    assert best_text(empty) == "-"


def test_all_trials_have_their_state_and_reason() -> None:
    states = [row[2] for row in all_trials_table(study()).rows]
    assert states[0] == "complete"
    assert states[1] == "pruned: dominated after epoch 2"
    assert states[3] == "failed: the loss is not finite"


@pytest.mark.parametrize("report", [study(), study_of_accuracy()], ids=["front", "one score"])
def test_what_is_printed_fits_a_hundred_columns(
    report: StudyReport, capsys: pytest.CaptureFixture[str]
) -> None:
    print_study(report)
    printed = capsys.readouterr().out
    assert printed.startswith("digits-2: done, 5 of 5 trials (1 pruned, 1 failed), in 61 s\n")
    assert max(map(len, printed.splitlines())) <= 100

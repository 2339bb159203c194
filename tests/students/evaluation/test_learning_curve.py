from students.evaluation.learning_curve import learning_curve
from students.storage.outcome import CurvePoint
from students.storage.step_log import Row


def step(number, **values):
    return Row("step", number, 0, values)


def epoch(number, last, **values):
    return Row("epoch", last, 0, values, epoch=number)


def test_an_epochs_loss_is_the_mean_of_its_steps():
    rows = [step(0, loss=4.0), step(1, loss=2.0), epoch(0, 1, accuracy=0.5, nll=1.5),
            step(2, loss=1.0), step(3, loss=2.0), epoch(1, 3, accuracy=0.75, nll=1.0)]  # fmt: skip
    assert learning_curve(rows, steps_per_epoch=2) == (
        CurvePoint(epoch=0, step=2, loss=3.0, accuracy=0.5, nll=1.5),
        CurvePoint(epoch=1, step=4, loss=1.5, accuracy=0.75, nll=1.0),
    )


def test_steps_whose_loss_is_not_finite_do_not_count():
    rows = [step(0, nonfinite=1.0), step(1, loss=2.0), step(2, nonfinite=1.0)]
    assert [point.loss for point in learning_curve(rows, 2)] == [2.0]


def test_an_epoch_with_validation_alone_has_no_loss():
    assert learning_curve([epoch(0, 1, accuracy=0.5, nll=1.0)], 2) == (
        CurvePoint(epoch=0, step=2, loss=None, accuracy=0.5, nll=1.0),
    )


def test_without_validation_there_is_loss_alone():
    assert learning_curve([step(0, loss=1.0)], 1) == (
        CurvePoint(epoch=0, step=1, loss=1.0, accuracy=None, nll=None),
    )


def test_without_rows_the_curve_is_empty():
    assert learning_curve([], 5) == ()

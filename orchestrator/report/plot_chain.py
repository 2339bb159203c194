"""Draws the accuracy along a chain of models, from the ensemble to the student."""

from __future__ import annotations

from matplotlib.figure import Figure

from orchestrator.report.plot_elements import LINES, add_legend, draw_line, label_axes, panels
from orchestrator.report.render_tables import model_label
from orchestrator.results.run_report import RunReport


def chain_figure(report: RunReport) -> Figure:
    """Validation and test accuracy of each model in the order of training; the controls as levels
    of the test part."""
    assert report.student is not None
    models = [
        *([report.ensemble] if report.ensemble is not None else []),
        *report.chain,
        report.student,
    ]
    figure, (axes,) = panels("Accuracy along the chain", max(7.0, 1.1 * len(models)), height=4.2)
    places = range(len(models))
    test = [100 * model.test.accuracy for model in models]
    draw_line(axes, 0, places, test, "test", marker="o")
    seen = [model.validation for model in models]
    if any(seen):
        validation = [None if scores is None else 100 * scores.accuracy for scores in seen]
        draw_line(axes, 1, places, validation, "validation", marker="o")
    levels = [report.untaught, report.controls.get("direct")]
    for number, control in enumerate(levels, start=2):
        if control is not None:
            level = 100 * control.test.accuracy
            label = f"{control.name}, test"
            axes.axhline(level, color=LINES[number], linestyle="--", linewidth=1.4, label=label)
    label_axes(axes, "model, with its parameters", "accuracy, %")
    axes.set_xticks(
        places, [f"{model_label(model)}\n{model.parameters:,}" for model in models], fontsize=9
    )
    add_legend(figure, axes)
    return figure

"""What a student is told of how its teachers are weighed: by its own gate, or by a rule."""

from __future__ import annotations

from dataclasses import replace

from students.models.config import ModelConfig
from students.models.features import feature_layer
from students.specs import Gating, StudentSpec
from teachers.config import Adaptive, EnsembleConfig, Fixed, Uniform


def with_layer(ensemble: EnsembleConfig, model: ModelConfig) -> EnsembleConfig:
    """The ensemble with the gate's layer by name, so that a layer said and the same layer not
    said are one request."""
    weighting = ensemble.weighting
    if not isinstance(weighting, Adaptive) or weighting.layer is not None:
        return ensemble
    said = weighting.model_copy(update={"layer": feature_layer(model)})
    return ensemble.model_copy(update={"weighting": said})


def told(spec: StudentSpec, ensemble: EnsembleConfig) -> StudentSpec:
    """The student that is taught by ``ensemble``, whose gate has its layer by name."""
    weighting = ensemble.weighting
    listens = not isinstance(weighting, (Uniform, Fixed))
    if not isinstance(weighting, Adaptive):
        return replace(spec, listens=listens)
    assert weighting.layer is not None  # a recipe that does not say what cannot be known is refused
    gate = Gating(weighting.layer, weighting.detached, weighting.penalty, weighting.learns_for)
    return replace(spec, gate=gate, listens=listens)

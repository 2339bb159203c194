"""Runs a model's skeleton as a run will: whether it makes logits, evaluated and trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cluster.errors import first_line, some_of
from students.custom_code import described, place_in_custom_code, user_code
from students.errors import ModelError
from students.models.build import build_on, skeleton
from students.models.config import Model, Shape
from students.models.network import evaluating
from students.torch_state import leave_generator


def probe(
    config: Model,
    *,
    input_shape: Shape,
    classes: int,
    folder: Path,
    trained_on: int | None = None,
) -> nn.Module:
    """The skeleton, after a check that pictures give logits [B, classes]: one and two in evaluation
    mode, and ``trained_on`` of them, a micro-batch, in training mode with its gradients.

    A model that cannot compute on the meta device is run on the CPU.

    Raises:
        ModelError: the model cannot be built, fails on pictures of this shape, or does not
            return logits; ``path`` is ``train.micro_batch_size`` if only that is at fault.
    """
    tried = _Probe(config, input_shape, classes, folder)
    model = tried.skeleton()
    tried.check(model, 2, "evaluation")
    tried.check(model, 1, "evaluation")
    if trained_on is None:
        tried.check_registered(model)
    else:
        tried.train(trained_on)
    return model


@dataclass(frozen=True)
class _Probe:
    config: Model
    input_shape: Shape
    classes: int
    folder: Path

    def skeleton(self) -> nn.Module:
        return skeleton(
            self.config,
            input_shape=self.input_shape,
            classes=self.classes,
            folder=self.folder,
        )

    def check(self, model: nn.Module, samples: int, mode: str) -> None:
        """Raises what is wrong with ``model``, or with another on the CPU, in that mode."""
        with contextlib.suppress(Exception):
            self._run(model, samples, mode, "meta")
            return
        try:
            self._run(self._on_cpu(), samples, mode, "cpu")
        except ModelError:
            raise
        except Exception as error:  # a custom or unusual model may raise anything
            raise self._failure(error, samples, mode) from error

    def check_registered(self, model: nn.Module) -> None:
        """Raises which tensors ``model`` computes with that no weights file of it has."""
        try:
            with evaluating(model):
                output = self._output(model, 2, "meta")
        except Exception:  # noqa: BLE001 - it computes on the CPU alone, where it was tried
            return
        self._check_registered(model, output, 2)

    def train(self, samples: int) -> None:
        """Raises what is wrong with the model in training mode; on a copy, for its buffers change,
        and perhaps what else it keeps."""
        try:
            self.check(self.skeleton(), samples, "training")
        except ModelError as error:
            cause = error.__cause__
            if samples > 1 or cause is None or not self._learns_from_two():
                raise
            raise ModelError(
                "`train.micro_batch_size` is 1 (the batch size, if not given), but this model"
                f" fails in training mode on one sample ({first_line(cause)}): batch"
                " normalisation, say, needs more than one value; give 2 or more",
                path="train.micro_batch_size",
            ) from cause

    def _learns_from_two(self) -> bool:
        try:
            self.check(self.skeleton(), 2, "training")
        except ModelError:
            return False
        return True

    def _run(self, model: nn.Module, samples: int, mode: str, device: str) -> None:
        if mode == "evaluation":
            with evaluating(model), torch.no_grad():
                self._check(self._output(model, samples, device), samples, mode)
            return
        logits = self._check(self._output(model.train(), samples, device), samples, mode)
        if not logits.requires_grad:
            raise self._error(
                "in training mode its logits have no gradient, so it cannot be trained; use"
                " neither detach() nor no_grad(), and leave parameters trainable"
            )
        self._check_registered(model, logits, samples)
        torch.autograd.backward(logits.float().sum())

    def _on_cpu(self) -> nn.Module:
        shape = self.config.model_shape(self.input_shape)
        return build_on("cpu", self.config, shape, self.classes, self.folder)

    def _output(self, model: nn.Module, samples: int, device: str) -> object:
        shape = self.config.model_shape(self.input_shape)
        known = dict(model.named_parameters())
        with user_code(), leave_generator():
            output: object = model(torch.zeros(samples, *shape, device=device))
        made = [name for name, _ in model.named_parameters() if name not in known]
        if made:
            raise self._error(
                f"the model makes parameters as it is run first ({some_of(made)}), which no"
                " optimizer and no weights file knows of; make them in its `__init__`, with a"
                " lazy layer (`nn.LazyLinear`) if a size is not known there"
            )
        return output

    def _check_registered(self, model: nn.Module, logits: object, samples: int) -> None:
        known = {id(each) for each in model.parameters()}
        others = [list(each.shape) for each in _leaves(logits) if id(each) not in known]
        pictures = [samples, *self.config.model_shape(self.input_shape)]
        own = [str(shape) for shape in others if shape != pictures]
        if own:
            raise self._error(
                f"the model computes with {len(own)} tensors that it does not name among its"
                f" parameters ({some_of(own)}), so they would be neither trained nor stored; keep"
                " layers in `nn.ModuleList` or `nn.ModuleDict`, not in a list or dict, and single"
                " tensors in `nn.Parameter`"
            )

    def _error(self, what: str) -> ModelError:
        return ModelError(f"`kind` is {self.config.kind!r}, but {what}", path="kind")

    def _check(self, output: object, samples: int, mode: str) -> Tensor:
        """The output, which is logits of so many samples.

        Raises:
            ModelError: it is not.
        """
        shape = [samples, self.classes]
        if not isinstance(output, Tensor):
            got = f"a {type(output).__name__}"
        elif list(output.shape) != shape:
            got = str(list(output.shape))
        elif not output.is_floating_point():
            got = f"{output.dtype} numbers"
        else:
            return output
        raise self._error(
            f"in {mode} mode the model returns {got} for {self._pictures(samples)}; it must return"
            f" logits {shape} alone, as floating-point numbers, in both modes"
        )

    def _failure(self, error: Exception, samples: int, mode: str) -> ModelError:
        place = place_in_custom_code(error)
        remedy = "another model" if place is None else "correct its code"
        return self._error(
            f"the model fails in {mode} mode on {self._pictures(samples)} ({described(error)});"
            f" choose another size by `preprocessing.size`, or {remedy}"
        )

    def _pictures(self, samples: int) -> str:
        size = "x".join(map(str, self.config.model_shape(self.input_shape)))
        return f"{samples} picture{'s' if samples > 1 else ''} of {size}"


def _leaves(output: object) -> Iterator[Tensor]:
    """The tensors that ``output`` is computed with and has gradients for."""
    waiting = [output.grad_fn] if isinstance(output, Tensor) else []
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(leaf := getattr(node, "variable", None), Tensor):
            yield leaf
        waiting.extend(following for following, _ in node.next_functions)

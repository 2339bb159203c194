"""A network that a function in a file of the user's builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from cluster.errors import some_of
from students.custom_code import described, load_function, user_code
from students.errors import ModelError
from students.lazy_imports import nn, torch
from students.models.config import Model, Options, Shape


class CustomModel(Model):
    """``file.py:function`` beside the recipe builds the network.

    The function is called as ``function(input_shape=(C, H, W), classes=N, **options)`` and
    returns an ``nn.Module`` from preprocessed float pictures [B, C, H, W] to logits [B, N].
    """

    kind: Literal["custom"] = "custom"
    source: str = Field(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$")
    options: Options = Field({}, description="what the function takes beside")

    initialises_itself: ClassVar[bool] = True
    channels_last: ClassVar[bool] = False
    """A user's model may flatten features by ``view``, which that layout forbids."""

    @property
    def custom_source(self) -> str:
        """The function."""
        return self.source

    def build(self, shape: Shape, classes: int, folder: Path) -> nn.Module:
        """What the function returns for pictures of ``shape`` (channels, height, width).

        Raises:
            UserError: there is no such function.
            ModelError: it raises, or returns something else.
        """
        function: Callable[..., object] = load_function(self.source, folder)
        try:
            with user_code(self.source):
                model = function(input_shape=shape, classes=classes, **self.options)
        except Exception as error:  # a user's code may raise anything
            raise ModelError(
                f"`source` is {self.source!r}, which raises {described(error)}; it is called with"
                " input_shape=(channels, height, width), classes and the options",
                path="source",
            ) from error
        if not isinstance(model, nn.Module):
            raise ModelError(
                f"`source` is {self.source!r}, which returns a {type(model).__name__};"
                " it must return a torch.nn.Module",
                path="source",
            )
        return _with_sizes(model, self.source, shape)


def _with_sizes(model: nn.Module, source: str, shape: Shape) -> nn.Module:
    """``model``, whose lazy layers have taken their sizes from a picture.

    Raises:
        ModelError: they have not.
    """
    if not _lazy_layers(model):
        return model
    from students.models.network import evaluating

    reason = "which it does not use in evaluation mode,"
    try:
        with user_code(source), evaluating(model), torch.no_grad():
            model(torch.zeros(1, *shape))
    except Exception as error:  # noqa: BLE001 - a user's code may raise anything
        reason = f"and it raises {described(error)}"
    if lazy := _lazy_layers(model):
        raise ModelError(
            f"`source` is {source!r}, whose model has layers without sizes ({some_of(lazy)}),"
            f" {reason} on one picture of {'x'.join(map(str, shape))}; give these layers sizes",
            path="source",
        )
    return model


def _lazy_layers(model: nn.Module) -> list[str]:
    is_lazy = torch.nn.parameter.is_lazy
    tensors = (*model.named_parameters(), *model.named_buffers())
    return list(dict.fromkeys(n.rpartition(".")[0] for n, each in tensors if is_lazy(each)))

"""The student of a recipe before it is trained: what it costs follows from its architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.planning.fingerprint import model_fingerprint
from orchestrator.planning.graph import Graph
from orchestrator.recipe.loading import LoadedRecipe
from students.models.build import build_network
from students.models.network import Network
from students.transfer_sets.transfer_set import TransferSet


def untrained_student(
    loaded: LoadedRecipe, graph: Graph, data: TransferSet
) -> tuple[Network, Mapping[str, Any]]:
    """The network with initial weights, as it is deployed, and the fingerprint of its model."""
    model = loaded.recipe.student.model
    network = build_network(model, data, loaded.folder, path="student")
    return network.eval(), model_fingerprint(model, graph.data)

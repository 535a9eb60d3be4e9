"""The choice of explainers that an exported graph leaves: there is one."""

from __future__ import annotations

from live_gradcam.choices import View
from live_gradcam.errors import UsageError
from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.protocol import ExplainerKey, MethodFacts


class OnlyExplainer:
    """The explainers of a graph: the one that there is.

    Args:
        explainer: The one; stays its owner's.
    """

    def __init__(self, explainer: GraphExplainer) -> None:
        self._explainer = explainer
        self._key = ExplainerKey(explainer.classifier.layer, explainer.method)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layer that the file was made for."""
        return (self._key.layer,)

    @property
    def methods(self) -> tuple[MethodFacts, ...]:
        """The method that the file was made for."""
        return (MethodFacts(self._key.method, self._key.method, self._explainer.contrasts),)

    @property
    def views(self) -> tuple[View, ...]:
        """The views that the graph can be given."""
        return self._explainer.views

    @property
    def fixed(self) -> str:
        """Why nothing else can be chosen."""
        return f"this file explains {self._key.layer} by {self._key.method} only"

    @property
    def mapped(self) -> tuple[int, ...] | None:
        """The only classes that ever have a map."""
        return self._explainer.mapped

    def find(self, key: ExplainerKey) -> GraphExplainer | None:
        """Return the one explainer, if this is its key."""
        return self._explainer if key == self._key else None

    def get(self, key: ExplainerKey) -> GraphExplainer:
        """Return the one explainer.

        Raises:
            UsageError: This is not its key.
        """
        if key != self._key:
            raise UsageError(self.fixed)
        return self._explainer

    def close(self) -> None:
        """Do nothing: nothing was made here."""

"""What a worker on Ray does: one network, opened once, for the parts that it is given."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from live_gradcam.archive.dataset import Dataset
from live_gradcam.archive.options import ArchiveOptions
from live_gradcam.archive.part_explainer import PartExplainer
from live_gradcam.archive.parts import Abandoned, Part, PartSummary
from live_gradcam.budget import limit_cores, limit_drawing
from live_gradcam.errors import SinkError
from live_gradcam.lifecycle import StopToken


class RayWorker:
    """Actor that explains parts. Only parts come to it, and only summaries leave it.

    Args:
        options: What is done with each part; plain data.
        cores: How many cores are its share of the machine.
    """

    def __init__(self, options: ArchiveOptions, cores: int) -> None:
        self._options = options
        self._cores = cores
        self._explainer: PartExplainer | None = None
        self._notices: list[str] = []
        self._stop = StopToken()

    def open(self) -> list[str]:
        """Open the network, and return the sentences that users should know.

        Raises:
            LiveGradcamError: See `PartExplainer`.
            SinkError: The folder of results is not on this machine.
        """
        folder = Dataset(self._options.dataset).folder
        if not (folder / "plan").is_dir():
            raise SinkError(
                "cannot write results",
                str(folder),
                f"the folder is not there on {platform.node()}, a machine of the cluster",
                "Name a folder that all machines share, under one path",
            )
        limit_cores(self._cores)
        limit_drawing()
        self._explainer = PartExplainer(self._options, on_notice=self._notices.append)
        return self._take_notices()

    def explain(
        self, part: Part, without: Mapping[str, str] | None = None
    ) -> tuple[PartSummary | None, list[str]]:
        """Explain and commit a part; returns its summary, ``None`` where an end was asked for.

        Args:
            part: The part.
            without: Files of it that are left out, and why.

        Raises:
            LiveGradcamError: See `PartExplainer.explain`.
        """
        assert self._explainer is not None, "it was opened"
        try:
            summary = self._explainer.explain(part, stop=self._stop, without=without)
        except Abandoned:
            return None, self._take_notices()
        return summary, self._take_notices()

    def stop(self) -> None:
        """Have the part at hand given up; called beside it."""
        self._stop.request()

    def _take_notices(self) -> list[str]:
        taken = self._notices[:]
        del self._notices[: len(taken)]
        return taken

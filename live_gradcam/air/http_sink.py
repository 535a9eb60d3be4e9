"""The live picture as an output: a server that shows the newest frame to all who ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from typing_extensions import override

from live_gradcam.air.address import ServeAddress
from live_gradcam.air.origins import Origins
from live_gradcam.air.pictures import Pictures
from live_gradcam.air.records_feed import RecordsFeed
from live_gradcam.air.server import AirServer
from live_gradcam.show.records import record
from live_gradcam.show.sink import Extra, Sink
from live_gradcam.values import Explanation, Frame, Image


class HttpSink(Sink):
    """Serves what is shown as MJPEG, single pictures and events. Never slows the session.

    Frames are encoded once for all receivers, in their threads; the newest wins for each of them.
    Records reach whoever follows them in full.

    Args:
        address: What to listen on.
        auth: Name and password that are asked for; ``None`` asks for none.
        origins: Whose pages may read it, besides those of this machine.
        on_notice: Told where it is served, and who can watch.

    Raises:
        UsageError: Nothing can listen there.
    """

    def __init__(
        self,
        address: ServeAddress,
        *,
        auth: tuple[str, str] | None = None,
        origins: Iterable[str] = (),
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self._pictures = Pictures()
        self._feed = RecordsFeed()
        self._frames = 0
        self._others: Sequence[Sink] = (self,)
        self._server = AirServer(
            address,
            auth=auth,
            pictures=self._pictures,
            feed=self._feed,
            origins=Origins(origins),
            places=lambda: [place for sink in self._others if (place := sink.on_air)],
        )
        self._closed = False
        if on_notice is not None:
            on_notice(self._greeting(guarded=auth is not None))

    @property
    def address(self) -> str:
        """Where it can be seen."""
        return self._server.address

    def list_outputs(self, sinks: Sequence[Sink]) -> None:
        """Show on the page where else the picture goes.

        Args:
            sinks: All outputs of the session, this one too.
        """
        self._others = tuple(sinks)

    @property
    def receivers(self) -> int:
        """Number of receivers of the moving picture at present."""
        return self._server.receivers

    @property
    def status(self) -> dict[str, Any]:
        """What ``/status.json`` says: ``on_air``, ``watching`` and ``following``."""
        return self._server.status()

    @property
    @override
    def on_air(self) -> str:
        return f"on air at {self.address}: {self.receivers} watching"

    @override
    def write(
        self, frame: Frame, rendered: Image | None, explanation: Explanation, *, extra: Extra = None
    ) -> None:
        self.write_parts(frame, rendered, [explanation], [extra])

    @override
    def write_parts(
        self,
        frame: Frame,
        rendered: Image | None,
        explanations: Sequence[Explanation],
        extras: Sequence[Extra],
    ) -> None:
        assert rendered is not None, "it needs the rendered image"
        self._frames += 1
        self._pictures.put(rendered.copy())  # it is ours only until this returns
        for explanation, extra in zip(explanations, extras, strict=True):
            content = record(frame, explanation, extra=extra)
            self._feed.put(json.dumps(content, ensure_ascii=False))

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._server.close()

    @property
    @override
    def description(self) -> str:
        most = self._server.most_receivers
        return f"{self.address} ({self._frames} frames, {most} receivers at most)"

    def _greeting(self, *, guarded: bool) -> str:
        if not self._server.public:
            return f"on air at {self.address} for this machine"
        if guarded:
            return f"on air at {self.address} for all in the network who know the password"
        return (
            f"on air at {self.address}: everybody in the network can watch; "
            "--auth USER:PASSWORD asks for a password"
        )

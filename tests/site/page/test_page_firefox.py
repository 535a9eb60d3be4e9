"""The page in a real Firefox: explained, tested, asked by keys, live."""

from __future__ import annotations

from pathlib import Path

from live_gradcam.graph.explainer import GraphExplainer
from live_gradcam.images import read_image
from tests.site.conftest import Host

from .firefox import firefox
from .visits import EXPLAINED

_TITLES = (
    "[...document.querySelectorAll('#tiles figcaption')].map((each) => each.textContent).join()"
)


def test_firefox_shows_what_python_explains(
    host: Host, page_name: str, address: str, explainer: GraphExplainer, tmp_path: Path
) -> None:
    with firefox(tmp_path) as page:
        page.open(address)
        page.wait_until(EXPLAINED)
        first = page.run("liveGradcam.session.site.examples[0].file")
        expected = explainer.explain(read_image(host.folder / page_name / first))
        labels = [each.label for each in expected.predictions]
        assert page.run(_TITLES) == labels[0]
        assert labels[0] in page.run("document.getElementById('answer').textContent")
        page.wait_until("Boolean(liveGradcam.session.reading)")
        assert page.run("document.getElementById('verdict').dataset.state") == "done"

        page.press("a")
        assert page.run(_TITLES) == ",".join(labels[:3])
        page.press("a", "2")
        assert page.run(_TITLES) == labels[1]

        for button in ("tab-camera", "camera-start"):
            page.run(f"document.getElementById('{button}').click()")
        page.wait_until("Boolean(liveGradcam.session.shown.live && liveGradcam.session.rate > 0)")
        assert not page.run("document.getElementById('message').textContent")

        assert page.problems == []
        outside = [
            each for each in page.requests if not each.startswith((address, "blob:", "data:"))
        ]
        assert outside == []

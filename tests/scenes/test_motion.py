"""Moving scenes: any frame, in any order and thread, from the seed alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from live_gradcam.scenes import MovingScene


def test_frames_do_not_depend_on_order_thread_or_what_is_kept() -> None:
    def scene() -> MovingScene:
        return MovingScene(3, width=96, height=96, fps=2.0)

    indices = [0, 25, 9, 10, 1, 24]
    expected = [scene().render(index) for index in indices]
    shared = scene()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(shared.render, indices))
    shared.release()
    afterwards = [shared.render(index) for index in indices]
    for images in (together, afterwards):
        assert all(np.array_equal(a, b) for a, b in zip(images, expected, strict=True))

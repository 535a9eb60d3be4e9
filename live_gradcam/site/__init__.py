"""The page without a server: a folder of static files that explains in the visitor's browser.

* `tables`: words, colours, keys and figures of the window and the page, as one table for scripts.
* `preprocessing`: from a picture to the network's pixels, in numbers.
* `description`: everything that the page has to know about its network.
* `runtime`: onnxruntime-web, pinned, from a cache, npm or the network.
* `examples`: pictures that the network knows.
* `policy`: what the page may load, and from where.
* `translation`: the page's words in another language.
* `filling`: what stands in the page's own files for what is known only when they are written.
* `placing`: those files and the folder that they stand in, whose other files stay.
* `folder`: all of it, written as one folder.
* `server`: the folder on this machine, with the headers that threads need.

``page/`` has what the browser runs: HTML, style, scripts, and the words that only this page has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.site.folder import Site, write_site
    from live_gradcam.site.runtime import Runtime, obtain_runtime
    from live_gradcam.site.server import serving_site
    from live_gradcam.site.translation import read_texts

__all__ = ["Runtime", "Site", "obtain_runtime", "read_texts", "serving_site", "write_site"]

__getattr__ = lazy_names(
    __name__,
    {
        **{"folder": "Site write_site", "runtime": "Runtime obtain_runtime"},
        **{"server": "serving_site", "translation": "read_texts"},
    },
)

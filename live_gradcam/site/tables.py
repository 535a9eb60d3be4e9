"""One table of words, colours, keys and figures, made from the window's and the page's own.

A script that composes a sentence fills in the same template that Python fills in, and decides by
the same figures. What is written a second time, in JavaScript, are the rules, and tests of the page
compare them with Python's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from live_gradcam.choices import (
    COLORMAP_NAMES,
    DEFAULT_COLORMAP,
    DEFAULT_OPACITY,
    DEFAULT_TOP_K,
    DEFAULT_VIEW,
)
from live_gradcam.faithfulness import removal, verdicts
from live_gradcam.images.pixels import MAX_PIXELS
from live_gradcam.session import smoothing
from live_gradcam.session.keys import KEYS, OPACITY_STEP
from live_gradcam.session.smoothing import SteadyLabels
from live_gradcam.session.state import MOSAIC_TILES
from live_gradcam.show import heat, scene, words
from live_gradcam.show.options import LOW_CONFIDENCE
from live_gradcam.show.scale import HeatScale
from live_gradcam.web import messages
from live_gradcam.web.settings import VIEW_LABELS
from live_gradcam.wording import FIGURES

PAGE_TEXTS = "texts.json"
"""Name of the file in ``page/`` that has the words of this page alone, ``{key: words}``."""


def texts() -> Mapping[str, str]:
    """Return every text of the page by its key, in English, with places in braces.

    Keys have the form ``table.name``: ``answer`` is what the network sees, ``removal`` and
    ``judgement`` what the truth meter says, ``spot`` what a spot says, ``figure`` the words around
    figures, ``view`` the names of the views, ``unit`` those of the maps' units, ``key`` what each
    key does, by its first name. Everything else stands on this page alone.
    """
    tables: Mapping[str, Mapping[str, str]] = {
        "answer": words.ANSWERS,
        "removal": verdicts.REMOVALS,
        "judgement": {key.replace(" ", "_"): text for key, text in verdicts.JUDGEMENTS.items()},
        "spot": messages.SENTENCES,
        "figure": FIGURES,
        "unit": {"points": words.POINTS, "number": words.NUMBER_PART},
        "view": {str(view): label for view, label in VIEW_LABELS.items()},
        "key": {binding.keys[0]: binding.help for binding in KEYS if not binding.ends},
    }
    shared = {
        f"{table}.{key}": text.replace("{}", "{area}")
        for table, entries in tables.items()
        for key, text in entries.items()
    }
    own = page_texts()
    twice = shared.keys() & own.keys()
    assert not twice, f"words that exist already: {sorted(twice)}"
    return {**shared, **own}


def page_texts() -> Mapping[str, str]:
    """Return the words of this page alone."""
    file = files("live_gradcam.site").joinpath("page").joinpath(PAGE_TEXTS)
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


def colormaps() -> Mapping[str, list[list[int]]]:
    """Return the colours of each index 0..255, RGB, by the name of the colour map.

    ``signed`` has the colours for and against: 128 is neither, 255 for, 1 against.
    """
    tables = {str(name): heat.heat_table(name, 1.0, False) for name in COLORMAP_NAMES}
    tables["signed"] = heat.heat_table(DEFAULT_COLORMAP, 1.0, True)
    return {name: table.colours[:, ::-1].tolist() for name, table in tables.items()}


def keys() -> Mapping[str, Mapping[str, Any]]:
    """Return the table of keys, each row by its first key.

    A row has ``keys`` (lower case, ``space`` and ``left`` by these names) and ``shown`` (as people
    read them); what they do is the text ``key.`` and the row's name.
    """
    return {
        binding.keys[0]: {"keys": list(binding.keys), "shown": binding.shown}
        for binding in KEYS
        if not binding.ends
    }


def settings() -> Mapping[str, Any]:
    """Return what the page begins with, and the steps of its controls."""
    return {
        "view": DEFAULT_VIEW,
        "colormap": DEFAULT_COLORMAP,
        "colormaps": list(COLORMAP_NAMES),
        "opacity": DEFAULT_OPACITY,
        "opacity_step": OPACITY_STEP,
        "top_k": DEFAULT_TOP_K,
        "tiles": MOSAIC_TILES,
        "max_pixels": MAX_PIXELS,
    }


def figures() -> Mapping[str, Any]:
    """Return the figures by which pictures are drawn, steadied, tested and judged.

    ``heat`` is `live_gradcam.show.heat`'s and `live_gradcam.show.scene`'s, ``scale`` `HeatScale`'s,
    ``labels`` and ``maps`` `SteadyLabels`' and `SteadyMaps`', ``removal`` the removal test's (with
    ``shifts``, down and to the right in pixels of the mask, in the order in which they are tried),
    ``verdict`` what `live_gradcam.faithfulness.verdicts.judge` goes by.
    """
    side = removal.MASK_SIDE
    return {
        "heat": {"fade": heat.FADE, "fine": heat.FINE, "dimmed": scene.DIMMED},
        "scale": HeatScale.__init__.__kwdefaults__,
        "labels": {
            **(SteadyLabels.__init__.__kwdefaults__ or {}),
            "smallest_lead": smoothing.SMALLEST_LEAD,
        },
        "maps": {
            "taps": list(smoothing.TAPS),
            "noise_band": smoothing.NOISE_BAND,
            "largest_band": smoothing.LARGEST_BAND,
            "creep": smoothing.CREEP,
            "noise_growth": smoothing.NOISE_GROWTH,
            "deviations": smoothing.DEVIATIONS,
            "news": smoothing.NEWS,
        },
        "removal": {
            "share": removal.HOT_SHARE,
            "controls": removal.CONTROLS,
            "blur_share": removal.BLUR_SHARE,
            "blur_side": removal.BLUR_SIDE,
            "mask_side": side,
            "overlap": removal.OVERLAP,
            "luckiest": removal.LUCKIEST,
            "shifts": [list(shift) for shift in removal.control_shifts(side, side)],
        },
        "verdict": {**verdicts.THRESHOLDS, "no_nouns": list(verdicts.NO_NOUNS)},
        "answer": {"low_confidence": LOW_CONFIDENCE},
    }

"""Heatmap labels in FiftyOne: find the pictures in which a network looks at the wrong thing.

python fiftyone_heatmaps.py photos/
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import live_gradcam as lg


def label_fields(explanation: lg.Explanation) -> dict[str, dict[str, Any]]:
    """What FiftyOne's ``Heatmap`` and ``Classification`` take, as plain values."""
    best = explanation.predictions[0]
    # At most 256 pixels wide: FiftyOne stretches the map over the picture itself.
    width, height = explanation.picture.size if explanation.picture else (256, 256)
    scale = min(1.0, 256 / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    heat = np.rint(explanation.heatmap(size) * 255).astype(np.uint8)
    return {
        "evidence": {"map": heat, "range": [0, 255]},
        "prediction": {"label": best.label, "confidence": best.probability},
    }


def main(pictures: Path) -> Any:  # noqa: ANN401 - a dataset of FiftyOne
    """Make a dataset of a folder, with predictions and evidence."""
    import fiftyone as fo

    dataset = fo.Dataset()
    with lg.Explainer(lg.load_classifier("scenes")) as explainer:
        for path in sorted(pictures.iterdir()):
            try:
                fields = label_fields(explainer.explain(path))
            except lg.SourceError as error:
                print(error)
                continue
            sample = fo.Sample(filepath=str(path.absolute()))
            sample["evidence"] = fo.Heatmap(**fields["evidence"])
            sample["prediction"] = fo.Classification(**fields["prediction"])
            dataset.add_sample(sample)
    return dataset


if __name__ == "__main__":
    import fiftyone as fo

    fo.launch_app(main(Path(sys.argv[1]))).wait()

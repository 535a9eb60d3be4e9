"""Evaluation of a classifier's explanations on a data set, class by class.

Modules, in the order of the way from a folder of images to a report:

- ``options``: `EvaluationOptions`, the choice of methods and measures.
- ``folders``, ``annotations``, ``rle``: files of strangers: images, labels, boxes and masks.
- ``dataset``: `open_dataset`, images and the truth about them in the classifier's classes.
- ``image_evaluator``: measures one image; the definitions are in `live_gradcam.faithfulness`.
- ``sanity_check``: maps of a network whose weights are randomised part by part.
- ``partial_results``: the file that an interrupted evaluation goes on from.
- ``values``: the results, frozen, and their form in JSON.
- ``summary``: figures of classes and of the whole, and findings as sentences.
- ``tables``, ``outputs``, ``gallery``, ``report``: the results on a terminal, as JSON and CSV, as
  images, and as one HTML page made from ``templates``.
- ``evaluation``: `run_evaluation`, all of it in one call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_gradcam.lazy import lazy_names

if TYPE_CHECKING:
    from live_gradcam.evaluate.annotations import Annotations, read_annotations
    from live_gradcam.evaluate.dataset import Dataset, open_dataset
    from live_gradcam.evaluate.evaluation import Evaluation, run_evaluation
    from live_gradcam.evaluate.options import MEASURES, EvaluationOptions
    from live_gradcam.evaluate.values import EvaluationResult

__all__ = [
    "MEASURES",
    "Annotations",
    "Dataset",
    "Evaluation",
    "EvaluationOptions",
    "EvaluationResult",
    "open_dataset",
    "read_annotations",
    "run_evaluation",
]

# Options are checked before anything slow is loaded.
__getattr__ = lazy_names(
    __name__,
    {
        "annotations": "Annotations read_annotations",
        "dataset": "Dataset open_dataset",
        "evaluation": "Evaluation run_evaluation",
        "options": "MEASURES EvaluationOptions",
        "values": "EvaluationResult",
    },
)

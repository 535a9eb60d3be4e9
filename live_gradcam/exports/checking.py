"""What cannot be exported is refused before anything slow begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from live_gradcam.choices import DEFAULT_METHOD
from live_gradcam.errors import ModelError, SinkError, UsageError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.export.plain_methods import why_no_graph
from live_gradcam.explain.methods import Method, require_method
from live_gradcam.exports import quantise
from live_gradcam.exports.description import choose_classes
from live_gradcam.exports.formats import Format, require_format, require_installed
from live_gradcam.exports.pictures import generated
from live_gradcam.graph.metadata import ExplainedClasses, GraphPrecision
from live_gradcam.show.images import already_exists
from live_gradcam.values import Image
from live_gradcam.wording import did_you_mean

_CALIBRATION = 200
_PRECISIONS: tuple[GraphPrecision, ...] = ("fp32", "fp16", "int8")
_BUNDLED = "scenes"


def check_output(path: Path, precision: GraphPrecision, *, overwrite: bool) -> Format:
    """Refuse an output that cannot be right, before anything slow begins.

    Raises:
        UsageError: The ending or the precision is not known, they do not go together, or the file
            exists.
        ModelError: A package that it takes is not installed.
        SinkError: There is no such folder.
    """
    kind = check_format(path, precision)
    for part in kind.files(path):
        if part.is_dir():
            raise UsageError("cannot export", str(part), "it is a folder", "Name a file")
        if part.exists() and not overwrite:
            raise already_exists(part)
    if not path.parent.is_dir():
        raise SinkError("cannot export", str(path), "the folder does not exist", "Create it")
    return kind


def check_format(path: str | Path, precision: GraphPrecision) -> Format:
    """Refuse a kind of file that cannot be made here.

    Raises:
        UsageError: The ending or the precision is not known, or they do not go together.
        ModelError: A package that it takes is not installed.
    """
    kind = require_format(Path(path))
    if precision not in _PRECISIONS:
        hint = did_you_mean(str(precision), _PRECISIONS)
        raise UsageError("unknown precision", str(precision), "", f"{hint}Use fp32, fp16 or int8")
    if precision == "int8" and kind.ending == ".pt2":
        raise UsageError("cannot export", str(path), "int8 has no such form", "Use .onnx or .xml")
    require_installed(kind)
    if precision == "int8":
        quantise.require_nncf()
    return kind


def check_question(
    classifier: Classifier,
    *,
    method: str,
    classes: str | int | Iterable[str | int],
    top_k: int,
    precision: GraphPrecision,
    calibrate: Sequence[Image],
) -> tuple[type[Method], ExplainedClasses, int]:
    """Refuse what cannot be asked of a network, before anything slow begins; see `export`.

    Returns:
        The method, the classes that have a map, and the number of maps.

    Raises:
        UsageError: A class or the method does not exist, or ``int8`` has too few pictures.
        ModelError: The method has no graph, or the network computes wrongly in half precision.
    """
    chosen = require_method(method, classifier.head)
    reason = why_no_graph(chosen.make_head(classifier.head))
    if reason:
        step = "Use another method, such as gradcam" if method != DEFAULT_METHOD else ""
        raise ModelError("cannot export", f"{classifier.name} with {method}", reason, step)
    explained, maps = choose_classes(classifier, classes, top_k)
    if classifier.why_float32 and precision == "fp16":
        reason = classifier.why_float32
        raise ModelError("cannot export", f"{classifier.name} in fp16", reason, "Use fp32")
    if precision == "int8":
        _check_calibration(classifier, calibrate)
    return chosen, explained, maps


def calibrates_itself(classifier: Classifier) -> bool:
    """True if pictures of the kind that a network will see can be generated, for ``int8``."""
    return classifier.name == _BUNDLED


def _check_calibration(classifier: Classifier, images: Sequence[Image]) -> None:
    if quantise.enough(images):
        return
    if images:
        step = "Give 8 or more, as different as those that will be explained"
        raise UsageError("cannot calibrate int8", f"{len(images)} pictures", "too few", step)
    if not calibrates_itself(classifier):
        step = "Name a folder with --calibrate"
        cause = "int8 needs pictures of the kind that the network will see"
        raise UsageError("cannot export", classifier.name, cause, step)


def calibration(
    classifier: Classifier, images: Sequence[Image], on_notice: Callable[[str], None]
) -> Sequence[Image]:
    """Return the pictures that int8 is made with.

    Raises:
        UsageError: There are too few, and none can be generated for this network.
    """
    _check_calibration(classifier, images)
    if images:
        return images
    on_notice(f"int8 is calibrated on {_CALIBRATION} generated scenes")
    return generated(_CALIBRATION, seed=1000)

"""Pictures of what was taught, with their evidence, and the same with all that moves covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from live_gradcam.errors import SourceError
from live_gradcam.explain.classifier import Classifier
from live_gradcam.images import read_image
from live_gradcam.images.sniff import sniff
from live_gradcam.show.overlay import OverlayOptions, draw
from live_gradcam.teaching.explainer import TaughtExplainer
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.folders import ClassFolder, read_film
from live_gradcam.teaching.motion import find_moved
from live_gradcam.values import Image, Region

_HEAT = OverlayOptions(opacity=0.55, show_labels=False, show_legend=False, show_hud=False)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture with the evidence for a class drawn on it.

    Attributes:
        image: ``uint8 (H, W, 3)``, BGR: what the network was shown, with the evidence.
        share: Probability of the class, 0..1.
        says: What the network says it is.
    """

    image: Image
    share: float
    says: str


@dataclass(frozen=True, slots=True, eq=False)
class ClassPicture:
    """A picture of a class, and the same with all that moves covered.

    Attributes:
        label: Name of the class.
        whole: As it was taught.
        covered: With all that moves covered; ``None`` where nothing moves before a still camera.
    """

    label: str
    whole: Shown
    covered: Shown | None = None


def picture_of(
    folder: ClassFolder, classifier: Classifier, extractor: FeatureExtractor
) -> ClassPicture | None:
    """Return a picture of a class: the first film in which something moves, else the first picture.

    Args:
        folder: Files of the class.
        classifier: As it was taught.
        extractor: Runs its trunk.

    Returns:
        ``None`` where no file can be read.

    Raises:
        DeviceError: The device failed, or has too little memory.
    """
    explainer = TaughtExplainer(extractor, classifier)
    plain: FrameFeatures | None = None
    for path in folder.files:
        try:
            if sniff(path).content != "video":
                plain = plain or extractor.extract([read_image(path)])[0]
                continue
            frames, _ = read_film(path, extractor)
        except SourceError:
            continue  # it was left out when it was taught, too, and that was said
        if not frames:
            continue
        still = find_moved([each.pixels for each in frames])
        if still is None or not still.moved:
            plain = plain or frames[len(frames) // 2]
            continue
        moved = still.moved[0]
        found = [frames[moved.index], *extractor.extract([moved.covered], view="stretch")]
        whole, covered = _shown(explainer, folder.label, found)
        return ClassPicture(folder.label, whole, covered)
    if plain is None:
        return None
    return ClassPicture(folder.label, _shown(explainer, folder.label, [plain])[0])


def _shown(
    explainer: TaughtExplainer, label: str, features: Sequence[FrameFeatures]
) -> list[Shown]:
    found = []
    for each in features:
        height, width = each.pixels.shape[:2]
        here = replace(each, region=Region(0, 0, width, height))
        explanation = explainer.explain_features([here], classes=[label])[0]
        own = next(e.strength for e in explanation.predictions if e.label == label)
        image = draw(each.pixels, explanation, options=_HEAT)
        found.append(Shown(image, own, explanation.predictions[0].label))
    return found

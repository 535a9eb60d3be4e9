"""Teach a network new classes, and say what it goes by.

- `features`: the trunk's pooled features of images
- `examples`: bursts of them, by class; `motion` finds what moves before a still camera
- `fit`: the head, by multinomial logistic regression; `validation` holds out bursts, and
  `calibration` says how sure it may be
- `learned`: how often it is right, and by what
- `lesson`: from examples to a classifier
- `journal`: nothing that was shown is lost by a crash
- `lesson_state`: classes and examples as they arrive; `fitter` makes heads of several such lessons
- `session`: both for one lesson while the network runs; `explainer` explains with a taught head
- `folders`, `saving`: from files, and to a file; `covers` shows pictures of it
"""

from live_gradcam.teaching.examples import ANYTHING_ELSE, Burst, Examples
from live_gradcam.teaching.explainer import TaughtExplainer
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.fitter import Fitter
from live_gradcam.teaching.journal import Journal
from live_gradcam.teaching.learned import ClassLearned, Learned
from live_gradcam.teaching.lesson import Lesson, learn, refit, teach
from live_gradcam.teaching.lesson_state import (
    BACKGROUND_BURSTS,
    BACKGROUND_SECONDS,
    LessonState,
    TakenBack,
    Taught,
)
from live_gradcam.teaching.saving import load_taught, save_taught
from live_gradcam.teaching.session import TeachingSession, open_journal

__all__ = [
    "ANYTHING_ELSE",
    "BACKGROUND_BURSTS",
    "BACKGROUND_SECONDS",
    "Burst",
    "ClassLearned",
    "Examples",
    "FeatureExtractor",
    "Fitter",
    "FrameFeatures",
    "Journal",
    "Learned",
    "Lesson",
    "LessonState",
    "TakenBack",
    "Taught",
    "TaughtExplainer",
    "TeachingSession",
    "learn",
    "load_taught",
    "open_journal",
    "refit",
    "save_taught",
    "teach",
]

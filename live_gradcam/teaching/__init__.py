"""Teach a network new classes, and say what it goes by.

- `features`: the trunk's pooled features of images
- `examples`: bursts of them, by class; `motion` finds what moves before a still camera
- `fit`: the head, by multinomial logistic regression; `validation` holds out bursts
- `learned`: how often it is right, and by what
- `lesson`: from examples to a classifier
- `journal`: nothing that was shown is lost by a crash
- `session`: examples arrive while the network runs; `explainer` puts new heads on it between frames
- `folders`, `saving`: from files, and to a file; `covers` shows pictures of it
"""

from live_gradcam.teaching.examples import ANYTHING_ELSE, Burst, Examples
from live_gradcam.teaching.explainer import TaughtExplainer
from live_gradcam.teaching.features import FeatureExtractor, FrameFeatures
from live_gradcam.teaching.journal import Journal
from live_gradcam.teaching.learned import ClassLearned, Learned
from live_gradcam.teaching.lesson import Lesson, learn, refit, teach
from live_gradcam.teaching.saving import load_taught, save_taught
from live_gradcam.teaching.session import TeachingSession

__all__ = [
    "ANYTHING_ELSE",
    "Burst",
    "ClassLearned",
    "Examples",
    "FeatureExtractor",
    "FrameFeatures",
    "Journal",
    "Learned",
    "Lesson",
    "TaughtExplainer",
    "TeachingSession",
    "learn",
    "load_taught",
    "refit",
    "save_taught",
    "teach",
]

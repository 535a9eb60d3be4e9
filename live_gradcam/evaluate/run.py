"""`evaluate`: measures a data set with one classifier, picture by picture, and can go on later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from live_gradcam.errors import SourceError
from live_gradcam.evaluate.dataset import Dataset, Item, Lookup, Sample, load
from live_gradcam.evaluate.examine import TOP, Examiner
from live_gradcam.evaluate.folders import printable
from live_gradcam.evaluate.sanity import check_sanity
from live_gradcam.evaluate.settings import FORMAT, Settings, items_digest
from live_gradcam.evaluate.state import State
from live_gradcam.evaluate.summary import sanity_findings, summarise
from live_gradcam.explain.classifier import Classifier
from live_gradcam.explain.engine.runtime import PrecisionChoice
from live_gradcam.explain.explainer import Explainer
from live_gradcam.explain.heads import MultiLayerHead
from live_gradcam.explain.networks.labels import class_lookup
from live_gradcam.faithfulness.scoring import Scorer


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how explainers compute.

    Attributes:
        device: As of `Explainer`.
        precision: As of `Explainer`.
        on_notice: As of `Explainer`.
    """

    device: str = "auto"
    precision: PrecisionChoice = "auto"
    on_notice: Callable[[str], None] | None = None

    def explainer(self, classifier: Classifier, method: str) -> Explainer:
        """What explains with a method: the one place where explainers are made.

        It runs uncompiled: a network swapped in half-way would make results depend on time.

        Raises:
            UsageError: There is no such method.
            DeviceError: The device cannot be used.
        """
        return Explainer(
            classifier,
            method=method,
            device=self.device,
            precision=self.precision,
            compile="off",
            top_k=TOP,
            on_notice=self.on_notice,
        )

    @contextmanager
    def explainers(
        self, classifier: Classifier, methods: Sequence[str]
    ) -> Iterator[dict[str, Explainer]]:
        """What explains with each of several methods, by name, as long as it is needed."""
        with ExitStack() as stack:
            yield {
                method: stack.enter_context(self.explainer(classifier, method))
                for method in methods
            }


@dataclass(slots=True)
class Evaluation:
    """Everything that was found, ready to be written.

    Attributes:
        result: As JSON has it; see the README.
        items: The pictures of ``result["pictures"]``, by their number.
    """

    result: dict[str, Any]
    items: dict[int, Item] = field(default_factory=dict)


def identity(
    classifier: Classifier, runtime: str, items: Sequence[Item], settings: Settings
) -> dict[str, Any]:
    """All that the results depend on, under names that people understand."""
    digest = hashlib.sha256()
    for part in (classifier.trunk, classifier.head):
        for name, numbers in part.state_dict().items():
            digest.update(f"{name} {tuple(numbers.shape)}".encode())
            digest.update(numbers.detach().cpu().contiguous().flatten().view(-1).numpy().tobytes())
    several = {"fuse": classifier.head.fuse} if isinstance(classifier.head, MultiLayerHead) else {}
    labels = hashlib.sha256("\n".join(classifier.labels).encode("utf-8", "backslashreplace"))
    return {
        "format": FORMAT,
        "model": classifier.name,
        "layer": classifier.layer,
        **several,
        "weights": digest.hexdigest()[:16],
        "labels": labels.hexdigest()[:16],
        "runtime": runtime,
        "pictures": len(items),
        "data": items_digest(items),
        **settings.as_record(),
    }


def lookup_of(classifier: Classifier) -> Lookup:
    """Which class a name of the data set means."""
    return class_lookup(classifier.labels)


def evaluate(
    classifier: Classifier,
    data: Dataset,
    items: Sequence[Item],
    settings: Settings,
    machine: Machine,
    state_of: Callable[[dict[str, Any]], State],
    *,
    on_picture: Callable[[int], None],
    on_stage: Callable[[int, int], None],
) -> tuple[Evaluation, State]:
    """Measure pictures; what a state holds already is not measured again.

    Args:
        classifier: What is evaluated.
        data: Where the pictures come from.
        items: Those of its pictures that are measured.
        settings: What is measured.
        machine: Where.
        state_of: Opens the state for all that the results depend on.
        on_picture: Told how many pictures are done.
        on_stage: Told how many parts of the sanity check are done, of how many.

    Returns:
        What was found, and the state that holds it, open.

    Raises:
        SourceError: Not one picture can be read.
        LiveGradcamError: See `live_gradcam.errors`.
    """
    lookup = lookup_of(classifier)
    with (
        machine.explainers(classifier, settings.methods) as explainers,
        machine.explainer(classifier, "gradcam") as probe,
    ):
        runtime = probe.runtime
        about = identity(classifier, f"{runtime.device} {runtime.precision}", items, settings)
        with ExitStack() as on_error:
            state = on_error.enter_context(state_of(about))
            examiner = Examiner(explainers, probe, Scorer(classifier, runtime), settings)
            records, unread = _examine_all(items, lookup, examiner, state, on_picture)
            sanity: list[dict[str, Any]] = []
            if settings.sanity:
                samples = _sanity_samples(items, records, lookup, settings.sanity_pictures)
                sanity = check_sanity(
                    classifier,
                    explainers,
                    samples,
                    machine.explainer,
                    state,
                    view=settings.view,
                    seed=settings.seed,
                    on_stage=on_stage,
                )
            on_error.pop_all()
    result = _result(classifier, data, about, settings, records, unread, sanity)
    return Evaluation(result, {each["picture"]: items[each["picture"]] for each in records}), state


def _examine_all(
    items: Sequence[Item],
    lookup: Lookup,
    examiner: Examiner,
    state: State,
    on_picture: Callable[[int], None],
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """The records of the pictures that can be read; name and reason of the others."""
    records, unread = [], []
    for place, item in enumerate(items):
        key = f"picture {place}"
        if key not in state.done:
            try:
                sample = load(item, lookup)
            except SourceError as exc:
                state.add(key, {"unreadable": exc.cause or exc.what})
            else:
                state.add(key, examiner.examine(sample, item.name, place))
        found = state.done[key]
        if "unreadable" in found:
            unread.append((item.name, found["unreadable"]))
        else:
            records.append(found)
        on_picture(place + 1)
    if not records:
        name, reason = unread[0]
        cause = f"none of the {len(items)} pictures can be read, such as {name}: {reason}"
        raise SourceError("cannot evaluate", "", cause)
    return records, unread


def _sanity_samples(
    items: Sequence[Item], records: Sequence[dict[str, Any]], lookup: Lookup, count: int
) -> list[Sample]:
    """Some of the pictures, spread over the whole."""
    count = min(count, len(records))
    places = [records[index * len(records) // count]["picture"] for index in range(count)]
    return [load(items[place], lookup) for place in places]


def _result(
    classifier: Classifier,
    data: Dataset,
    about: dict[str, Any],
    settings: Settings,
    records: list[dict[str, Any]],
    unread: list[tuple[str, str]],
    sanity: list[dict[str, Any]],
) -> dict[str, Any]:
    skipped = [*data.skipped, *unread]
    notes = list(data.notes)
    if skipped:
        name, reason = skipped[0]
        notes.append(f"{len(skipped)} left out, such as {name}: {reason}")
    notes += [f"{each['name']}: {each['note']}" for each in records if "note" in each][:5]
    labels = [printable(label) for label in classifier.labels]
    return {
        "kind": "live-gradcam evaluation",
        "source": printable(data.name),
        "settings": about,
        "notes": notes,
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped],
        **summarise(records, labels, settings.methods),
        "sanity": sanity,
        "sanity_findings": sanity_findings(sanity, settings.methods),
        "pictures": records,
    }

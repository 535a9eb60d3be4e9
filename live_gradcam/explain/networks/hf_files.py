"""Files of a Hugging Face repository: in a folder, in the hub's cache, or on the server.

Only files with known names are read: the configuration, the preprocessing and the weights. Nothing
else of a repository is looked at, and code that it brings is never run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from live_gradcam.errors import ModelError
from live_gradcam.explain.networks.checkpoint import read_checkpoint
from live_gradcam.explain.networks.download import require_server
from live_gradcam.wording import install_step

HF_PREFIX = "hf:"
"""Prefix of the names of Hugging Face's networks."""

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_JSON_LIMIT = 16 << 20
_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?(@[\w./-]{1,96})?")


@dataclass(frozen=True, slots=True)
class Repository:
    """A Hugging Face repository, or a folder that looks like one.

    Attributes:
        name: As the user wrote it, without the prefix.
        folder: The folder; ``None`` for one of the hub.
    """

    name: str
    folder: Path | None = None

    @classmethod
    def find(cls, name: str) -> Repository:
        """Return the folder of this name, else the hub's repository.

        Raises:
            ModelError: It is neither a folder nor a possible name of the hub.
        """
        folder = Path(name).expanduser()
        if folder.is_dir():
            return cls(name, folder)
        if not _NAME.fullmatch(name) or ".." in name:
            cause = "there is no such folder, and the hub's names look like owner/network"
            raise ModelError("unknown network", f"{HF_PREFIX}{name}", cause, "Check the path")
        return cls(name)

    def read_json(self, file: str) -> Mapping[str, Any]:
        """Read one of its JSON files.

        Raises:
            ModelError: It is missing or no JSON object.
        """
        path = self.fetch(file)
        what = "cannot read the Hugging Face network"
        try:
            if path.stat().st_size > _JSON_LIMIT:
                raise ModelError(what, str(path), "the file is too large to be a configuration")
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as exc:
            raise ModelError(what, str(path), exc.strerror or str(exc)) from exc
        except (ValueError, RecursionError) as exc:
            raise ModelError(what, str(path), f"it is not valid JSON ({exc})") from exc
        if not isinstance(content, dict):
            raise ModelError(what, str(path), f"it holds a {type(content).__name__}, not settings")
        return content

    def read_optional_json(self, file: str) -> Mapping[str, Any] | None:
        """Read one of its JSON files; ``None`` where it has none."""
        try:
            return self.read_json(file) if self.has(file) else None
        except _Absent:
            return None

    def read_weights(self) -> tuple[dict[str, Tensor], Path, tuple[str, ...]]:
        """Read its tensors, from one file or from several with an index.

        Returns:
            The tensors, the file (or the index) that they came from, and notes about them.

        Raises:
            ModelError: There are none, or they cannot be read.
        """
        for file in _WEIGHTS:
            for name in (file, f"{file}.index.json"):
                if not self.has(name):
                    continue
                try:
                    path = self.fetch(name)
                except _Absent:
                    continue
                return self._read_parts(name) if name.endswith(".json") else _read(path)
        raise ModelError(
            "cannot use the Hugging Face network",
            f"{HF_PREFIX}{self.name}",
            f"it has neither {' nor '.join(_WEIGHTS)}",
            "Save it with model.save_pretrained(folder)",
        )

    def _read_parts(self, index: str) -> tuple[dict[str, Tensor], Path, tuple[str, ...]]:
        table = self.read_json(index).get("weight_map")
        path = self.fetch(index)
        what = "cannot use weights"
        if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
            raise ModelError(what, str(path), "it does not say which file holds which tensor")
        tensors: dict[str, Tensor] = {}
        notes: tuple[str, ...] = ()
        for part in sorted(set(table.values())):
            if Path(part).name != part:
                raise ModelError(what, str(path), f"{part!r} is not a file beside it")
            found, _, notes = _read(self.fetch(part))
            tensors.update(found)
        missing = [key for key in table if key not in tensors]
        if missing:
            cause = f"{len(missing)} tensors are not in its files, such as {missing[0]!r}"
            raise ModelError(what, str(path), cause, "Download it again")
        return tensors, path, notes

    def has(self, file: str) -> bool:
        """Return whether a file may be there: for a repository of the hub, only asking tells."""
        return self.folder is None or (self.folder / file).is_file()

    def fetch(self, file: str) -> Path:
        """Return the path of one of its files, downloaded unless the cache has it.

        Raises:
            ModelError: It is not there or cannot be downloaded.
        """
        if self.folder is None:
            return _download(self.name, file)
        path = self.folder / file
        if not path.is_file():
            cause = f"the folder has no {file}"
            step = "Give a folder that model.save_pretrained(folder) made"
            raise _Absent("cannot use the Hugging Face network", str(self.folder), cause, step)
        return path


class _Absent(ModelError):
    """The repository has no such file."""


def _read(path: Path) -> tuple[dict[str, Tensor], Path, tuple[str, ...]]:
    checkpoint = read_checkpoint(path)
    return checkpoint.tensors, path, checkpoint.notes


def _download(name: str, file: str) -> Path:
    repository, _, revision = name.partition("@")
    what, where = "cannot load network", f"{HF_PREFIX}{name}"
    try:
        from huggingface_hub import constants, errors, hf_hub_download, hf_hub_url
        from huggingface_hub import try_to_load_from_cache as find_cached
    except ImportError as exc:
        raise missing_library(name) from exc
    found = find_cached(repository, file, revision=revision or None)
    if isinstance(found, str):
        return Path(found)
    if found is not None:  # the server said before that there is none
        raise _Absent(what, where, f"the repository has no {file}")
    step = "Give a folder instead: --model hf:FOLDER"
    if constants.HF_HUB_OFFLINE:
        cause = f"{file} is not in the cache, and HF_HUB_OFFLINE forbids to download it"
        raise _Absent(what, where, cause, step)
    url = hf_hub_url(repository, file, revision=revision or None)
    require_server(url, name=where)
    try:
        return Path(hf_hub_download(repository, file, revision=revision or None))
    except errors.GatedRepoError as exc:
        cause = "its owner wants to be asked first"
        raise ModelError(what, where, cause, "Ask on its page, then: hf auth login") from exc
    except errors.RepositoryNotFoundError as exc:
        cause = "the hub has no such network, or it is private"
        raise ModelError(what, where, cause, "Check the name, owner/network") from exc
    except errors.RevisionNotFoundError as exc:
        raise ModelError(what, where, f"it has no revision {revision!r}") from exc
    except errors.EntryNotFoundError as exc:
        raise _Absent(what, where, f"the repository has no {file}") from exc
    except Exception as exc:  # the hub's client fails in the ways of several libraries
        cause = str(exc).partition("\n")[0] or type(exc).__name__
        raise ModelError(what, where, f"{file} cannot be downloaded ({cause})", step) from exc


def missing_library(name: str) -> ModelError:
    """Return the error that transformers is not installed."""
    return ModelError(
        "cannot load network",
        f"{HF_PREFIX}{name}",
        "transformers is missing",
        install_step("hf"),
    )

"""A folder of pictures on all cores: an overlay for each, and a table of what was seen.

python joblib_folder.py photos/ explained/
"""

from __future__ import annotations

import csv
import sys
from functools import lru_cache
from pathlib import Path

import torch
from joblib import Parallel, cpu_count, delayed

import live_gradcam as lg


@lru_cache(maxsize=1)
def explainer() -> lg.Explainer:
    """One network in each process; the processes share the cores, so one thread is enough."""
    torch.set_num_threads(1)
    made = lg.Explainer(lg.load_classifier("scenes"), compile="off")
    torch.set_num_threads(1)
    return made


def explain(path: Path, folder: Path) -> lg.Explanation | lg.SourceError:
    """Explain a picture and save its overlay; what cannot be read costs the others nothing."""
    try:
        explanation = explainer().explain(path)
    except lg.SourceError as error:
        return error
    explanation.save(folder / f"{path.stem}.png")
    return explanation  # it travels between processes, and knows its picture by the path


def main(pictures: Path, folder: Path, jobs: int | None = None) -> Path:
    """Explain all pictures of a folder; return the table."""
    folder.mkdir(exist_ok=True)
    paths = sorted(path for path in pictures.iterdir() if path.is_file())
    tasks = (delayed(explain)(path, folder) for path in paths)
    results = Parallel(n_jobs=jobs or cpu_count())(tasks)
    table = folder / "seen.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "probability", "share with evidence", "error"])
        for path, result in zip(paths, results, strict=True):
            if isinstance(result, lg.SourceError):
                rows.writerow([path.name, "", "", "", result])
                continue
            best = result.predictions[0]
            share = (result.heatmap() > 0.5).mean()
            rows.writerow([path.name, best.label, best.probability, share, ""])
    return table


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))

"""Check the CUDA path on a machine with a GPU, part by part, within minutes.

    python scripts/gpu_check.py --json gpu.json          # six minutes on a bare machine with torch
    python scripts/gpu_check.py --rehearse               # the same on the CPU, with tiny sizes

Everything that is missing beside torch is installed first; torch and torchvision stay as they are.
Parts are processes of their own: each has its share of the time, writes what it has as it goes, and
does not stop the others when it fails. Without a GPU all of it is a rehearsal: it shows that the
parts run, and its times mean nothing. Ends with code 1 where a part failed or a bar was missed, 6
where a GPU was asked for and there is none.

Standard library only, since it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parent.parent

# Shares of the time; what ends early leaves its rest to the others.
PARTS = {
    "parity": 0.14,
    "speed": 0.26,
    "live": 0.24,
    "films": 0.16,
    "faults": 0.08,
    "tests": 0.12,
}
_REHEARSED_SECONDS = 600.0
_BESIDE = ("pytest>=8.3", "pytest-timeout>=2.3", "hypothesis>=6.100", "psutil>=5.9")
_NEVER_REPLACED = ("torch", "torchvision")


@dataclass
class Part:
    """What one part has written.

    Attributes:
        name: Key in `PARTS`.
        seconds: Time that it took.
        ending: ``done``, or how it failed.
        figures: Everything that it measured, as `scripts.gpu.report` writes it.
    """

    name: str
    seconds: float = 0.0
    ending: str = "done"
    figures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """Names of the figures that miss their bar."""
        return [each["name"] for each in self.figures if each.get("kept") is False]


def main() -> int:
    """Install, run the parts and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write all figures here, too, as they come")
    parser.add_argument("--minutes", type=float, default=6.0, help="for all parts together")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with tiny sizes")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of them, by commas")
    parser.add_argument(
        "--media", type=Path, default=ROOT.parent / "shared", help="photographs and real weights"
    )
    parser.add_argument("--wheels", type=Path, help="install from this folder, not the network")
    options = parser.parse_args()
    chosen = [name.strip() for name in options.parts.split(",")]
    for name in chosen:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; choose from {', '.join(PARTS)}")
    end = time.monotonic() + 60.0 * options.minutes
    failure = install_missing(options.wheels)
    if failure:
        print(f"error: {failure}", file=sys.stderr)
        return 6
    device = find_gpu()
    rehearse = options.rehearse or device is None
    if device is None:
        print(
            "No CUDA GPU here: the parts are rehearsed on the CPU with tiny sizes. That they run "
            "is the result; the times mean nothing.",
            flush=True,
        )
    elif rehearse:
        print("Rehearsing on the CPU with tiny sizes; the times mean nothing.", flush=True)
    else:
        print(f"{device}; {options.minutes:g} minutes", flush=True)
    parts: list[Part] = []
    for position, name in enumerate(chosen):
        left = end - time.monotonic()
        share = PARTS[name] / sum(PARTS[each] for each in chosen[position:])
        limit = _REHEARSED_SECONDS if rehearse else max(5.0, left * share)
        parts.append(run_part(name, limit, rehearse=rehearse, media=options.media))
        if options.json is not None:
            write(options.json, device, rehearse, parts)
    print()
    print(table(parts))
    return 1 if any(part.ending != "done" or part.missed for part in parts) else 0


def install_missing(wheels: Path | None) -> str:
    """Install what the project and the parts need and is not there; returns what went wrong."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert block is not None, "the project names its dependencies"
    wanted = re.findall(r'"([^"]+)"', block[1]) + list(_BESIDE)
    missing = [each for each in wanted if _version(_distribution(each)) is None]
    without_torch = [each for each in missing if _distribution(each) in _NEVER_REPLACED]
    if without_torch:
        return f"{' and '.join(without_torch)} must be there already: they fit the machine's driver"
    if not missing:
        return ""
    print(f"Installing {', '.join(missing)} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "constraints.txt"
        kept.write_text("".join(f"{each}=={_version(each)}\n" for each in _NEVER_REPLACED))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(kept)]
        if wheels is not None:
            command += ["--no-index", "--no-deps", "--find-links", str(wheels)]
        code = subprocess.call([*command, *missing])
    return f"pip could not install {', '.join(missing)} (code {code})" if code else ""


def _distribution(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def find_gpu() -> str | None:
    """Describe the GPU, torch and its CUDA in one line; `None` where there is no GPU."""
    code = (
        "import torch\n"
        "if torch.cuda.is_available():\n"
        "    p = torch.cuda.get_device_properties(0)\n"
        "    print(f'{p.name}, {p.total_memory >> 30} GiB, compute capability '\n"
        "          f'{p.major}.{p.minor}, torch {torch.__version__}')\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def run_part(name: str, limit: float, *, rehearse: bool, media: Path) -> Part:
    """Run a part within its time, and keep all that it wrote."""
    part = Part(name)
    print(f"\n== {name} (at most {limit:.0f} s)", flush=True)
    command = [sys.executable, "-m", "scripts.gpu", name, "--seconds", f"{limit:.0f}"]
    command += ["--media", str(media), *(["--rehearse"] if rehearse else [])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    }
    if rehearse:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=os.name != "nt",
    ) as process:
        assert process.stdout is not None, "a pipe"
        reader = threading.Thread(target=_read, args=(process.stdout, part))
        reader.start()
        try:
            code = process.wait(limit)
            if code != 0:
                part.ending = f"ended with code {code}"
        except subprocess.TimeoutExpired:
            part.ending = f"stopped after {limit:.0f} s"
        _end(process)
        reader.join()
    part.seconds = time.monotonic() - began
    if part.ending != "done":
        print(f"   {part.ending}", flush=True)
    return part


def _read(lines: TextIO, part: Part) -> None:
    for line in lines:
        try:
            figure = json.loads(line)
            part.figures.append(figure)
            print(f"   {describe(figure)}", flush=True)
        except (ValueError, KeyError, TypeError):
            print(f"   {line.rstrip()}", flush=True)


def _end(process: subprocess.Popen[str]) -> None:
    """End a part with all of its own processes."""
    if os.name == "nt":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
        os.killpg(process.pid, signal.SIGKILL)


def describe(figure: dict[str, Any]) -> str:
    """One figure in one line."""
    text = f"{figure['name']}: {figure['value']:.4g} {figure['unit']}".rstrip()
    if figure.get("bar"):
        verdict = {True: ": kept", False: ": MISSED", None: ""}[figure["kept"]]
        text += f" (bar {figure['bar']}{verdict})"
    if figure.get("note"):
        text += f"; {figure['note']}"
    return text


def table(parts: list[Part]) -> str:
    """All figures as a table for a README."""
    rows = ["| part | figure | measured | bar | kept |", "|---|---|---|---|---|"]
    for part in parts:
        for each in part.figures:
            bar = each.get("bar") or ""
            kept = {True: "yes", False: "no", None: ""}[each.get("kept")]
            value = f"{each['value']:.4g} {each['unit']}".strip()
            rows.append(f"| {part.name} | {each['name']} | {value} | {bar} | {kept} |")
        if part.ending != "done":
            rows.append(f"| {part.name} | | {part.ending} | | no |")
    return "\n".join(rows)


def write(path: Path, device: str | None, rehearse: bool, parts: list[Part]) -> None:
    """Write all that is known by now."""
    content = {
        "device": device,
        "rehearsal": rehearse,
        "parts": [
            {
                "name": part.name,
                "seconds": round(part.seconds, 1),
                "ending": part.ending,
                "figures": part.figures,
            }
            for part in parts
        ],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""Installs the CAM libraries that the tests and the benchmark compare with, into this environment.

``grad-cam`` asks for opencv-python-headless, which overwrites opencv-python's ``cv2`` and kills the
window. It is therefore installed without its dependencies; the ones it really imports are named
here. ``--openvino`` adds OpenVINO, which only the benchmark wants.
"""

from __future__ import annotations

import subprocess
import sys

PEERS = ["captum>=0.8", "torchcam>=0.4", "matplotlib", "scikit-learn", "tqdm"]
WITHOUT_DEPENDENCIES = ["grad-cam>=1.5.5", "ttach>=0.0.3"]


def main() -> int:
    """Install; returns pip's exit code."""
    # What is imported is compiled then.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
    wanted = PEERS + (["openvino"] if "--openvino" in sys.argv[1:] else [])
    return subprocess.call([*pip, *wanted]) or subprocess.call(
        [*pip, "--no-deps", *WITHOUT_DEPENDENCIES]
    )


if __name__ == "__main__":
    sys.exit(main())

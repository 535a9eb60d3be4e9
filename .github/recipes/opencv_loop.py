"""A loop of your own over a camera or a film, with OpenCV.

python opencv_loop.py 0
python opencv_loop.py film.mp4
"""

from __future__ import annotations

import sys

import cv2

import live_gradcam as lg


def main(source: str) -> int:
    """Explain every frame until the film ends or q is pressed; return how many there were."""
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not capture.isOpened():
        raise SystemExit(f"cannot open {source}")
    count = 0
    with lg.Explainer(lg.load_classifier("scenes")) as explainer:
        while True:
            there, frame = capture.read()  # uint8 (H, W, 3) BGR, as explain takes it
            if not there:
                break
            explanation = explainer.explain(frame)
            cv2.imshow("explained", explanation.overlay(opacity=0.5))
            count += 1
            if cv2.waitKey(1) == ord("q"):
                break
    capture.release()
    cv2.destroyAllWindows()
    return count


if __name__ == "__main__":
    print(main(sys.argv[1] if len(sys.argv) > 1 else "0"), "frames")

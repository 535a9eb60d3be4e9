"""Engines that run graphs: OpenVINO and ONNX Runtime, under one contract.

- `opening`: `open_engine`, and which engines are installed
- `devices`: what can be typed after ``--device``, and which engine has it
- `locked`: what both engines do alike
- `openvino_engine`, `onnxruntime_engine`: each the only place that knows its library

On a processor an engine waits asleep: threads that spin between two operations take the time of
whatever else the machine does, and of our own decoding and drawing.
"""

from live_gradcam.graph.engines.opening import installed_engines, open_engine

__all__ = ["installed_engines", "open_engine"]

"""Explanations as files: the network with its maps as one graph that other engines run.

- `program`: the network and its maps as plain operations, the derivative among them.
- `decompositions`: derivatives written with forward operations.
- `onnx_graph`: such a program as an ONNX model.
"""

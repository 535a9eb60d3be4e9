"""Explanations as graphs: the network with its maps, for engines that know no derivative.

- `program`: the network and its maps as plain operations.
- `decompositions`: derivatives written with forward operations.
- `constants`: what does not depend on the picture, computed once.
- `plain_methods`: methods in the form that a graph can hold, and why some have none.
- `onnx_graph`: such a program as an ONNX model.
"""

"""Explanations as files: graphs that need neither torch nor the network's own code to run.

A graph takes ``pixels uint8 (N, H, W, 3)`` in RGB order and puts out ``scores float32 (N,
classes)`` and ``evidence float32 (N, K, h, w)``. Everything about people (labels, preprocessing,
method, unit) is the file's metadata, so that the file alone is enough.
"""

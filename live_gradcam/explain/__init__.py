"""Frames become explanations: networks, weights, Grad-CAM and the engine. Never windows or files."""

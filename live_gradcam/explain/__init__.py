"""Frames become explanations: networks, weights, Grad-CAM, the engine. Never windows or files."""

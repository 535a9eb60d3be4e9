"""From uint8 pixels to scores and evidence: eager, compiled, or as a CUDA graph."""

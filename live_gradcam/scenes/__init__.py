"""Generated scenes with ground truth: how they are drawn, placed and moved."""

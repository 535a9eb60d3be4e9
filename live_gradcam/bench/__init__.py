"""What the engine costs, measured in one run against what it could cost and what others cost."""

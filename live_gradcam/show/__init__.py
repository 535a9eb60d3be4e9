"""Explanations become pictures: overlays, windows, videos, pictures and records. Never torch."""

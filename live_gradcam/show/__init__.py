"""Explanations become images: overlays, windows, videos, images and records. Never torch."""

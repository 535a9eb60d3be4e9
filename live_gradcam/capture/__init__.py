"""Frames come in: cameras, streams, video files, pictures and generated scenes. Never torch."""

"""Frames come in: cameras, streams, video files, images and generated scenes. Never torch."""

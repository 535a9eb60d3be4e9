"""The parts of ``scripts/gpu_check.py``, each a process of its own.

A part writes one JSON line for each figure, as soon as it has it.
"""

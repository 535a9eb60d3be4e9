"""Benchmarks: the engine measured in one run against what it could cost and what others cost.

- `measure`: alternating repetitions and their medians.
- `network`, `offline`, `peers`: the cases of ``live-gradcam bench``.
- `live`: the promises of a live session, for ``scripts/measure_live.py``.
- `teach`: those of teaching: the time to a head, and what is left of the live rate.
- `report`: ratios, tables and JSON.
"""

"""Benchmarks: the engine measured in one run against what it could cost and what others cost.

- `measure`: alternating repetitions and their medians.
- `network`, `offline`, `peers`: the cases of ``live-gradcam bench``.
- `live`: the promises of a live session, for ``scripts/measure_live.py``.
- `report`: ratios, tables and JSON.
"""

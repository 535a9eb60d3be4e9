"""Faults that are caused for real, for the measuring scripts and the tests alike.

- `media`, `odd_films`, `mutate`: made films and images; odd ones; damaged ones.
- `servers`: streams on loopback that vanish, stall and return.
- `bad_weights`: checkpoints that are hostile or broken.
- `output_faults`: disks that are full, and other outputs that fail.
- `runs`, `verdicts`: the command in a process of its own, and what must be left of it.
"""

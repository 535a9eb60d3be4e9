"""Runs over many files that can be interrupted at any time: a file in, rows out, nothing twice.

- `files` finds the films and pictures of folders, patterns and lists
- `ledger` remembers which of them are done, with which options, and where their rows stand
- `sinks` write where a run over many files writes: folders that mirror the sources, records that
  are appended to
- `run` explains what is not done yet
"""

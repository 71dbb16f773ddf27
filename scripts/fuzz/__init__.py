"""Fuzzing of every parser that reads what strangers send: inputs are mutated without end, and judged.

`mutate` makes inputs, `parsers` says what each parser is and what may be accepted, `run` plays many over all cores.
Used by tests/trust/test_fuzz.py (a few hundred) and `python -m scripts.fuzz` (a million, in `make soak`).
"""

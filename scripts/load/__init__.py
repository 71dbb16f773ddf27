"""Loads of the orchestrator: what `bench_orchestrator.py` measures under."""

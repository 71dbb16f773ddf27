"""The buyers' door to running models: token, meter, voucher, forward. `python -m orchestrator.gateway` runs it.

`app.create_app` is the composition root; `use.py` is the one path of a use through the other files. The gateway decides
nothing about placement and settles nothing: it serves routes that the orchestrator puts, and keeps the usage log.
"""

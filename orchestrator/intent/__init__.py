"""Requests in words: text → request document, with confidence, reasons, and a question where it is not sure.

MSMF's route and `s4m request parse` call `understand`; the structured path never comes here. Nothing is loaded by
importing this package: import from `orchestrator.intent.understanding`.
"""

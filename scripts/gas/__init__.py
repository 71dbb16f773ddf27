"""The gas bench: what each call of the contracts costs, from full receipts, with others' contracts on the same node."""

"""Ways to falsify usage logs, receipts, tables and a node's answers; the audit must find and name each."""

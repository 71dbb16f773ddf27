"""The chain as people browse it: blocks, transactions, decoded events, addresses, a subscription's life. Read only."""

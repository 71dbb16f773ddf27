"""The only Python door to the contracts: values, events, typed calls, signatures, usage logs, sending, deploying.

Called by every other package. The API is synchronous and thread-safe; asynchronous callers use `asyncio.to_thread`.
It decides nothing about services or prices and knows no HTTP but the node's JSON-RPC.
"""

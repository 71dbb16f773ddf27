"""JSON-RPC to one node through web3's HTTP provider, with nothing retried behind the caller's back.

Called by chain and devnet only. Wraps every failure: no answer is NodeDown, an answer with an error is NodeError.
Thread-safe: the provider keeps one connection for each thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ledger.errors import NodeDown, NodeError


class Rpc:
    def __init__(self, url: str, timeout_s: float) -> None:
        from web3 import HTTPProvider

        self.url = url
        self._provider: Any = HTTPProvider(
            url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None
        )

    def request(self, method: str, params: Sequence[object] = ()) -> Any:
        """The result of one request; raises NodeDown or NodeError."""
        return self._result(method, self._answer(lambda: self._provider.make_request(method, list(params))))

    def batch(self, requests: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """The results of several requests in one round trip, in order; raises on the first error."""
        if not requests:
            return []
        asked = [(method, list(params)) for method, params in requests]
        responses = self._answer(lambda: self._provider.make_batch_request(asked))
        if not isinstance(responses, list) or len(responses) != len(asked):
            self._result("batch", responses)
            raise NodeDown(self.url, "it does not answer batches")
        return [self._result(method, response) for (method, _), response in zip(asked, responses, strict=True)]

    def close(self) -> None:
        """Lets go of the provider and with it of its connections."""
        self._provider = None

    def _answer(self, ask: Callable[[], Any]) -> Any:
        from requests import RequestException
        from web3.exceptions import Web3Exception

        try:
            return ask()
        except RequestException as error:  # its own text may hold the URL with its credentials
            status = error.response.status_code if error.response is not None else None
            raise NodeDown(self.url, f"HTTP status {status}" if status else type(error).__name__) from error
        except (Web3Exception, OSError, ValueError) as error:
            raise NodeDown(self.url, f"unreadable answer: {type(error).__name__}") from error

    def _result(self, method: str, response: Any) -> Any:
        if not isinstance(response, dict):
            raise NodeDown(self.url, "unreadable answer")
        error = response.get("error")
        if error is None:
            return response.get("result")
        if not isinstance(error, dict):
            raise NodeError(method, 0, str(error))
        raise NodeError(
            method,
            int(error.get("code", 0)),
            str(error.get("message", "no reason given")),
            _returned(error.get("data")),
        )


def _returned(data: Any) -> str:
    """What a reverting call returned, empty where nothing: most nodes give it bare, hardhat's inside an object."""
    inner = data.get("data") if isinstance(data, dict) else data
    return inner if isinstance(inner, str) else ""

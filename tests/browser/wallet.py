"""The test wallet: announced in the page by EIP-6963, asked by EIP-1193, signing here in Python with a real key.

It keeps what it was asked. A test may make it refuse (4001), stand on another chain, or hold another account.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct
from playwright.sync_api import BrowserContext

from ledger.keys import WalletKey

NAME = "Test wallet"
PROMPTS = ("eth_signTypedData_v4", "eth_sendTransaction", "personal_sign", "wallet_sendCalls")
USER_REFUSED = 4001
UNKNOWN_METHOD = -32601
UPGRADE_REFUSED = 5750
DONE, REVERTED = 200, 500
UNKNOWN_CHAIN = 4902
ANNOUNCE = """
(() => {
  const request = async ({ method, params }) => {
    const answer = await window.askTestWallet(method, params ?? []);
    if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
    return answer.result;
  };
  const uuid = '350670db-19fa-4704-a166-e52e178b59d2';
  const info = { uuid, name: 'Test wallet', icon: 'data:,', rdns: 'test.wallet' };
  const detail = Object.freeze({ info, provider: { request, on() {} } });
  const announce = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }));
  window.addEventListener('eip6963:requestProvider', announce);
  announce();
})();
"""


class Refused(Exception):
    """What the page's call ends with: an EIP-1193 error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class TestWallet:
    """One wallet of one browser context."""

    __test__ = False

    key: WalletKey
    rpc_url: str
    chain_id: int
    refuses: set[str] = field(default_factory=set)
    switches: bool = True
    """Whether it goes to the chain that it is asked to go to."""
    batches: bool = False
    """Whether it takes several calls in one prompt (EIP-5792); it sends them one after the other."""
    refuses_batches_late: bool = False
    """Whether it says that it takes batches and then does not."""
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def live_in(self, context: BrowserContext) -> None:
        """Announces itself in every page of the context."""
        context.expose_binding("askTestWallet", lambda _source, method, params: self.answer(method, params))
        context.add_init_script(ANNOUNCE)

    @property
    def prompts(self) -> list[Any]:
        """What a person was asked to sign or send."""
        return [params for method, params in self.asked if method in PROMPTS]

    def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        self.asked.append((method, params))
        try:
            return {"result": self._answer(method, params)}
        except Refused as refusal:
            return {"error": {"code": refusal.code, "message": str(refusal)}}

    def _answer(self, method: str, params: list[Any]) -> Any:
        if method in self.refuses:
            raise Refused(USER_REFUSED, "User rejected the request.")
        if method in ("eth_requestAccounts", "eth_accounts"):
            return [self.key.address]
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "wallet_switchEthereumChain":
            return self._switch(int(params[0]["chainId"], 16))
        if method.startswith("wallet_"):
            return self._batch(method, params[0])
        if method == "eth_signTypedData_v4":
            return self._sign_typed_data(json.loads(params[1]))
        if method == "personal_sign":
            return self._sign_text(params[0])
        if method == "eth_sendTransaction":
            return self._send(params[0])
        return self._node(method, params)

    def _switch(self, chain_id: int) -> None:
        if not self.switches:
            raise Refused(UNKNOWN_CHAIN, "Unrecognized chain.")
        self.chain_id = chain_id

    def _batch(self, method: str, given: Any) -> Any:
        """EIP-5792: what the wallet can, several calls in one prompt, and what became of them."""
        if not self.batches:
            raise Refused(UNKNOWN_METHOD, "The method does not exist.")
        if method == "wallet_getCapabilities":
            return {hex(self.chain_id): {"atomic": {"status": "unsupported"}}}
        if method == "wallet_getCallsStatus":
            receipts = [self._node("eth_getTransactionReceipt", [hash]) for hash in given.split("+")]
            succeeded = all(receipt["status"] == "0x1" for receipt in receipts)
            return {"version": "2.0.0", "id": given, "status": DONE if succeeded else REVERTED, "receipts": receipts}
        if self.refuses_batches_late:
            raise Refused(UPGRADE_REFUSED, "The account was not upgraded.")
        return {"id": "+".join(self._send(call) for call in given["calls"])}

    def _sign_typed_data(self, document: dict[str, Any]) -> str:
        signed = Account.sign_typed_data(self.key.secret, full_message=document)
        return "0x" + bytes(signed.signature).hex()

    def _sign_text(self, text: str) -> str:
        signed = Account.sign_message(encode_defunct(hexstr=text), self.key.secret)
        return "0x" + bytes(signed.signature).hex()

    def _send(self, wanted: dict[str, str]) -> str:
        """Fills in gas, nonce and fees as wallets do, signs, sends."""
        sender = {"from": self.key.address, "to": wanted["to"], "data": wanted["data"]}
        transaction = {
            "chainId": self.chain_id, "to": wanted["to"], "data": wanted["data"],
            "value": int(wanted.get("value", "0x0"), 16),
            "nonce": int(self._node("eth_getTransactionCount", [self.key.address, "pending"]), 16),
            "gas": int(self._node("eth_estimateGas", [sender]), 16) * 5 // 4,
            "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9,
        }  # fmt: skip
        raw, _hash = self.key.sign_transaction(transaction)
        return str(self._node("eth_sendRawTransaction", ["0x" + raw.hex()]))

    def _node(self, method: str, params: list[Any]) -> Any:
        answer = httpx.post(self.rpc_url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()
        if "error" in answer:
            raise Refused(int(answer["error"]["code"]), str(answer["error"]["message"]))
        return answer["result"]

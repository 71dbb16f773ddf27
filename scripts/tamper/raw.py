"""Raw logs of a node, changed by the names of events and their fields."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ledger import abi
from scripts.tamper.liar import Lie

RawLog = dict[str, Any]
Change = Callable[[list[RawLog]], list[RawLog]]


def topic_of(contract: str, event: str) -> str:
    return "0x" + abi.load(contract).events[event].hash.hex()


def field_set(
    contract: str, event: str, field: str, value: int | str | Callable[[int], int]
) -> Callable[[RawLog], None]:
    """Sets a field of an event that fits one word: a number, a 0x word, or a function of the number before."""
    word, topic = _place(contract, event, field)

    def change(log: RawLog) -> None:
        before = int(log["topics"][topic] if topic else "0x" + log["data"][2 + 64 * word : 66 + 64 * word], 16)
        number = value(before) if callable(value) else int(value, 16) if isinstance(value, str) else value
        text = f"{number:064x}"
        if topic:
            log["topics"][topic] = "0x" + text
        else:
            log["data"] = log["data"][: 2 + 64 * word] + text + log["data"][66 + 64 * word :]

    return change


def _place(contract: str, event: str, field: str) -> tuple[int, int]:
    """(word in the data, 0) or (0, topic). Fields of a struct without dynamic members lie one after the other."""
    word = topic = 0
    for param in abi.load(contract).events[event].inputs:
        if param["indexed"]:
            topic += 1
            if param["name"] == field:
                return 0, topic
            continue
        for member in param.get("components", ()) if param["type"] == "tuple" else (param,):
            if member["name"] == field:
                return word, 0
            word += 1
    raise KeyError(f"{contract}.{event} has no field {field}")


def in_logs(
    contract: str, event: str, change: Callable[[RawLog], None], pick: int = -1, *, everywhere: bool = False
) -> Lie:
    """Changes one log of this event in what eth_getLogs answers; `everywhere`: in receipts as well."""
    topic = topic_of(contract, event)

    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs":
            return _with_one(result, topic, pick, change)
        if everywhere and method == "eth_getBlockReceipts":
            result = copy.deepcopy(result)
            for receipt in result or []:
                for log in [each for each in receipt["logs"] if each["topics"][0] == topic]:
                    change(log)
        return result

    return lie


def _with_one(logs: list[RawLog], topic: str, pick: int, change: Callable[[RawLog], None]) -> list[RawLog]:
    logs = copy.deepcopy(logs)
    hits = [log for log in logs if log["topics"][0] == topic]
    if hits:
        change(hits[pick])
    return logs


def without(contract: str, event: str, pick: int = -1, place: str | None = None) -> Lie:
    """Leaves one log of this event (of the contract at `place`) out of what eth_getLogs answers."""
    topic = topic_of(contract, event)

    def is_hit(log: RawLog) -> bool:
        return bool(log["topics"][0] == topic) and (place is None or log["address"] == place.lower())

    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method != "eth_getLogs":
            return result
        hits = [at for at, log in enumerate(result) if is_hit(log)]
        return [log for at, log in enumerate(result) if not hits or at != hits[pick]]

    return lie


def twice(contract: str, event: str) -> Lie:
    """Tells the last log of this event twice."""
    topic = topic_of(contract, event)

    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method != "eth_getLogs":
            return result
        hits = [at for at, log in enumerate(result) if log["topics"][0] == topic]
        return [*result[: hits[-1]], *result[hits[-1] :][:1], *result[hits[-1] :]] if hits else result

    return lie

"""Communication protocol: a broker of topics, with MQTT's words: wildcards, retained messages, three qualities.

connect     {"client", "clean": bool}          a session; as many as `protocol_stack_sessions` are granted
subscribe   {"client", "filter", "qos": 0..2}  filter: levels parted by /, + for one level, # at the end for all below
publish     {"topic", "payload", "qos": 0..2, "retain": bool, "id": of the publisher's choice}
receive     {"client", "most": 1..100}         at most once (0), until acknowledged (1), and never a repeat of an id (2)
acknowledge {"client", "ids": [numbers that `receive` gave]}
disconnect  {"client"}
A queue that is full drops messages of quality 0 first and refuses the rest. Quantity: of a publication the messages
that it became, of `receive` those handed out. Each tenant has a broker of its own.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_SESSIONS = 8
QUEUE = 500
MOST_FILTERS, MOST_RETAINED, MOST_PUBLISHED = 64, 1000, 4096
MOST_TOPIC, MOST_PAYLOAD = 256, 16 << 10


@dataclass(frozen=True)
class Message:
    topic: str
    payload: str
    qos: int


@dataclass
class Session:
    """One client: its filters, and what waits for it by number, oldest first; `out` was handed out, unacknowledged."""

    filters: dict[str, int] = field(default_factory=dict)
    waiting: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    out: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    dropped: int = 0

    def full(self) -> bool:
        return len(self.waiting) + len(self.out) >= QUEUE

    def spare(self) -> int | None:
        """The oldest that waits at quality 0: what may be dropped."""
        return next((number for number, message in self.waiting.items() if message.qos == 0), None)

    def quality(self, message: Message) -> int | None:
        """The best that its matching filters ask for, at most the message's; None where none matches."""
        asked = [qos for filter_, qos in self.filters.items() if matches(filter_, message.topic)]
        return min(max(asked), message.qos) if asked else None


@dataclass
class Broker:
    """One tenant's clients, retained messages and the ids that were published at quality 2."""

    sessions: dict[str, Session] = field(default_factory=dict)
    retained: OrderedDict[str, Message] = field(default_factory=OrderedDict)
    published: OrderedDict[str, int] = field(default_factory=OrderedDict)
    number: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, session: Session, message: Message, quality: int) -> bool:
        """Into the queue, if need be in place of one of quality 0; False where there is none."""
        if session.full():
            session.dropped += 1
            spare = session.spare()
            if spare is None:
                return False
            del session.waiting[spare]
        self.number += 1
        session.waiting[self.number] = Message(message.topic, message.payload, quality)
        return True

    def publish(self, message: Message) -> int:
        """To all whose filters match, or, above quality 0, to nobody where a queue is full; how many got it."""
        takers = [(s, quality) for s in self.sessions.values() if (quality := s.quality(message)) is not None]
        stuck = [session for session, quality in takers if quality > 0 and session.full() and session.spare() is None]
        if stuck:
            raise OverGrant(f"{len(stuck)} queues hold {QUEUE} messages; let their clients receive and acknowledge")
        return sum(self.deliver(session, message, quality) for session, quality in takers)


class Brokers:
    def __init__(self) -> None:
        self._brokers: dict[str, Broker] = {}
        self._lock = threading.Lock()

    def calls(self) -> dict[str, Callable[[Request], Answer]]:
        handlers = (self.connect, self.subscribe, self.publish, self.receive, self.acknowledge, self.disconnect)
        return {handler.__name__: handler for handler in handlers}

    def connect(self, request: Request) -> Answer:
        client, broker = request.text("client"), self._of(request)
        with broker.lock:
            present = client in broker.sessions
            most = request.granted("protocol_stack_sessions", DEFAULT_SESSIONS)
            if not present and len(broker.sessions) >= most:
                raise OverGrant(f"{most} sessions are open, all that protocol_stack_sessions grants; disconnect one")
            if not present or request.params.get("clean") is True:
                broker.sessions[client] = Session()
            value = {"client": client, "present": present, "waiting": len(broker.sessions[client].waiting)}
            return json_answer(value, 1, {"sessions": len(broker.sessions)})

    def subscribe(self, request: Request) -> Answer:
        filter_, quality = _filter(request), request.integer("qos", 0, 0, 2)
        broker = self._of(request)
        with broker.lock:
            session = _session(broker, request)
            if filter_ not in session.filters and len(session.filters) >= MOST_FILTERS:
                raise OverGrant(f"{MOST_FILTERS} filters are the most of a session; use wildcards")
            session.filters[filter_] = quality
            kept = [message for message in broker.retained.values() if matches(filter_, message.topic)]
            got = sum(broker.deliver(session, message, min(quality, message.qos)) for message in kept)
        return json_answer({"filter": filter_, "qos": quality, "retained": got})

    def publish(self, request: Request) -> Answer:
        message = Message(_topic(request), _payload(request), request.integer("qos", 0, 0, 2))
        own_id = request.text("id") if message.qos == 2 else ""
        broker = self._of(request)
        with broker.lock:
            if own_id in broker.published:
                return json_answer({"delivered": broker.published[own_id], "repeated": True})
            delivered = broker.publish(message)
            if own_id:
                _bounded(broker.published, own_id, delivered, MOST_PUBLISHED)
            if request.params.get("retain") is True:
                broker.retained.pop(message.topic, None)
                if message.payload:
                    _bounded(broker.retained, message.topic, message, MOST_RETAINED)
        return json_answer({"delivered": delivered, "repeated": False}, max(delivered, 1))

    def receive(self, request: Request) -> Answer:
        most, broker = request.integer("most", 10, 1, 100), self._of(request)
        with broker.lock:
            session = _session(broker, request)
            again = list(session.out.items())[:most]
            fresh = list(session.waiting.items())[: most - len(again)]
            for number, message in fresh:
                del session.waiting[number]
                if message.qos > 0:
                    session.out[number] = message
            told = [_told(number, message, n < len(again)) for n, (number, message) in enumerate([*again, *fresh])]
            value = {"messages": told, "waiting": len(session.waiting), "dropped": session.dropped}
        return json_answer(value, max(len(told), 1))

    def acknowledge(self, request: Request) -> Answer:
        ids, broker = request.numbers("ids", 1, 100, 0, 2**53), self._of(request)
        with broker.lock:
            session = _session(broker, request)
            done = sum(session.out.pop(int(number), None) is not None for number in ids)
        return json_answer({"acknowledged": done})

    def disconnect(self, request: Request) -> Answer:
        client, broker = request.text("client"), self._of(request)
        with broker.lock:
            return json_answer({"client": client, "known": broker.sessions.pop(client, None) is not None})

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._brokers.pop(tenant, None)

    def _of(self, request: Request) -> Broker:
        with self._lock:
            return self._brokers.setdefault(request.tenant, Broker())


def matches(filter_: str, topic: str) -> bool:
    """MQTT's rule: + takes one level, # all that are left, none included."""
    wanted, levels = filter_.split("/"), topic.split("/")
    for place, want in enumerate(wanted):
        if want == "#":
            return True
        if place >= len(levels) or want not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


def _told(number: int, message: Message, again: bool) -> dict[str, Any]:
    told = {"id": number, "topic": message.topic, "payload": message.payload, "qos": message.qos}
    return {**told, "again": True} if again else told


def _bounded(kept: OrderedDict[str, Any], key: str, value: Any, most: int) -> None:
    kept[key] = value
    if len(kept) > most:
        kept.popitem(last=False)


def _session(broker: Broker, request: Request) -> Session:
    client = request.text("client")
    if client not in broker.sessions:
        raise NotThere(f"{client!r} has no session; connect it first")
    return broker.sessions[client]


def _topic(request: Request) -> str:
    topic = request.text("topic", most=MOST_TOPIC)
    if "+" in topic or "#" in topic:
        raise BadCall(f"topic is {topic!r}; wildcards are for filters")
    return topic


def _filter(request: Request) -> str:
    filter_ = request.text("filter", most=MOST_TOPIC)
    levels = filter_.split("/")
    if "#" in levels[:-1] or any(len(level) > 1 and ("+" in level or "#" in level) for level in levels):
        raise BadCall(f"filter is {filter_!r}; + and # stand for whole levels, # for the last")
    return filter_


def _payload(request: Request) -> str:
    payload = request.params.get("payload", "")
    if not isinstance(payload, str) or len(payload.encode()) > MOST_PAYLOAD:
        raise BadCall(f"payload must be a string of at most {MOST_PAYLOAD} bytes")
    return payload


def build() -> Program:
    brokers = Brokers()
    return Program("communication-protocol", brokers.calls(), forget=brokers.forget)


if __name__ == "__main__":
    run(build())

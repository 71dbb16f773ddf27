"""The company of travellers as processes: start them, hear them, give the word, and know when one failed.

Used by scripts/virtual_travel.py. A traveller is `python -m scripts.travel.traveller BRIEF`; its lines arrive on one
queue in the order in which they were written.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from scripts.travel.brief import Brief

ROOT = Path(__file__).resolve().parents[2]


ARRIVAL_S = 0.3
"""Travellers arrive one after the other, not at one instant."""
POLITENESS = 10
"""Niceness of a traveller's process: in earnest it runs on the traveller's own device, not on the house's cores."""


class TravellerFailed(Exception):
    """A traveller's process ended early or said nothing for too long."""

    code: ClassVar[str] = "traveller_failed"


@dataclass
class Member:
    """One traveller's process and what it told."""

    brief: Brief
    process: subprocess.Popen[str]
    errors: Path
    bought: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    released: bool = False
    ready: bool = False
    done: dict[str, Any] | None = None

    def hear(self, event: dict[str, Any]) -> None:
        """Take in one line of the traveller."""
        kind = event.pop("event")
        if kind == "second":
            self.samples.append(event)
        elif kind == "bought":
            self.bought.append(event)
        elif kind == "ready":
            self.ready = True
        elif kind == "released":
            self.released = True
        elif kind == "done":
            self.done = event

    def why(self) -> str:
        """The last words of a process that failed."""
        lines = self.errors.read_text().strip().splitlines()
        return lines[-1] if lines else f"exit code {self.process.returncode}"


Listener = Callable[[Member, dict[str, Any]], None]


class Company:
    """All travellers. A context manager: whoever is still there at the end is ended."""

    def __init__(self, briefs: list[Brief]) -> None:
        self._queue: queue.Queue[tuple[Member, dict[str, Any]]] = queue.Queue()
        self.members: list[Member] = []
        for brief in briefs:
            self.members.append(self._start(brief))
            time.sleep(ARRIVAL_S)

    def __enter__(self) -> Company:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            if member.process.poll() is None:
                member.process.kill()
            member.process.wait()
            for stream in (member.process.stdin, member.process.stdout):
                if stream:
                    stream.close()

    def give_the_word(self) -> None:
        """All walk now."""
        for member in self.members:
            assert member.process.stdin is not None
            member.process.stdin.write("go\n")
            member.process.stdin.flush()

    def hear_until(self, all_done: Callable[[Member], bool], timeout_s: float, listener: Listener) -> None:
        """Hear everybody until `all_done` holds of each; raises `TravellerFailed`."""
        give_up = time.monotonic() + timeout_s
        while not all(all_done(member) for member in self.members):
            try:
                member, event = self._queue.get(timeout=0.2)
            except queue.Empty:
                self._check(all_done, give_up)
                continue
            listener(member, dict(event))
            member.hear(event)

    def _check(self, all_done: Callable[[Member], bool], give_up: float) -> None:
        for member in self.members:
            if member.process.poll() not in (None, 0) and self._queue.empty():
                raise TravellerFailed(f"{member.brief.name} gave up: {member.why()}")
        if time.monotonic() > give_up:
            late = ", ".join(member.brief.name for member in self.members if not all_done(member))
            raise TravellerFailed(f"still waiting for {late}")

    def _start(self, brief: Brief) -> Member:
        path, errors = brief.home / "brief.json", brief.home / "errors.log"
        brief.save(path)
        with errors.open("w") as sink:
            process = subprocess.Popen(
                ["nice", "-n", str(POLITENESS), sys.executable, "-m", "scripts.travel.traveller", str(path)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True,
            )  # fmt: skip
        member = Member(brief, process, errors)
        threading.Thread(target=self._read, args=(member,), daemon=True).start()
        return member

    def _read(self, member: Member) -> None:
        assert member.process.stdout is not None
        for line in member.process.stdout:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            self._queue.put((member, event))

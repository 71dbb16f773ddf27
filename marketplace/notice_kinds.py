"""The notices that tell how a service stands, in words: what its page shows to everybody, and what webhooks carry.

Not among them: what tells of how it is used (`grant.changed` follows what its users look at). That is read by who has
the session key, the buyer and the model's owner alone (`notices.py`).
"""

from __future__ import annotations

from typing import Final, Literal, get_args

NoticeKind = Literal[
    "msi.running", "share.joined", "share.refused", "share.moved", "share.migrated", "share.draining",
    "share.released", "update.accepted", "update.refused", "model.stopped", "model.ended", "model.restarted",
]  # fmt: skip
STANDING: Final[tuple[str, ...]] = get_args(NoticeKind)
WORDS: Final = {
    "msi.running": "A new instance of the service was started for it.",
    "share.joined": "It joined an instance of the service that was running.",
    "share.refused": "It could not be placed.",
    "share.moved": "A change moved it to another instance of the service.",
    "share.migrated": "A model of it runs at another site now; what it kept in memory is lost.",
    "share.draining": "Its end has begun: calls under way are finished, new ones are not taken.",
    "share.released": "What it held was given back.",
    "update.accepted": "Its request was changed.",
    "update.refused": "A change was refused; it runs on as before.",
    "model.stopped": "A model that nobody else used was stopped.",
    "model.ended": "A model broke its bounds and was ended; it is started again.",
    "model.restarted": "A model that had died runs again; what it kept in memory is lost.",
}

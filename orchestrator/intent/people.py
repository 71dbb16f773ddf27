"""How many users a request is for. Rules from the surest to the least sure; the first that matches counts."""

import re
from collections.abc import Callable

from orchestrator.intent.found import Found, compiled, number

NOUNS = (
    "users?|people|persons?|ppl|participants?|attendees|attendants|guests|visitors|players?|friends|mates|buddies|pals|"
    "girlfriends|kids|children|pupils|students|adults|travell?ers|tourists|colleagues|members|directors|employees|lawyers|"
    "professors|delegates|listeners|seats|chairs|heads|headsets|engineers|doctors|planners|designers|hikers|contestants|"
    "explorers|singers|voices|women|ladies|men|lads|girls|boys|relatives|neighbours|neighbors|singles|ravers|cousins|"
    "sisters|brothers|investors|journalists|speakers|owners|recruiters|freshers|new hires|drivers|soldiers|learners|"
    "teachers|slots|experts|operators|nurses|surgeons|gamers|teammates|roommates|flatmates|avatars|humans|adventurers|"
    "managers|reps|retirees|seniors|developers|trainees|officials|residents|citizens|grown-ups|viewers|clients|customers|couples|staff"
)
FAMILIAR = (
    "friends?|mates?|buddies|pals?|rivals|cousins?|sisters?|brothers?|colleagues?|clients?|kids?|flatmates|others"
)
KIN = (
    "wife|husband|girlfriend|boyfriend|partner|brother|sister|son|daughter|dad|father|mum|mom|mother|grandma|grandpa|"
    "cousin|friend|best friend|best mate|mate|manager|boss|penpal|coach|professor|buddy|fiancée?|spouse|child"
)
Rule = Callable[[re.Match[str]], float]
RULES: tuple[tuple[str, re.Pattern[str], Rule], ...] = (
    ("sides", compiled(r"(NUM) ?(?:vs?\.?|against|on) ?(NUM)"), lambda m: number(m[1]) + number(m[2])),
    ("teams", compiled(r"(NUM) teams of (NUM)"), lambda m: number(m[1]) * number(m[2])),
    ("adults and kids", compiled(r"(NUM) adults?,?(?: and| \+| &)? (NUM) (?:kids?|children|child)"),
     lambda m: number(m[1]) + number(m[2])),
    ("me and others", compiled(rf"(?:me|i|myself)(?: and| \+| &| plus) (?:my )?(NUM) (?:\w+ )?(?:{FAMILIAR})"),
     lambda m: number(m[1]) + 1),
    ("others and me", compiled(rf"(NUM) (?:{FAMILIAR}) (?:and|\+|&|plus) (?:me|i|myself)"), lambda m: number(m[1]) + 1),
    ("with others", compiled(rf"(?:with|w/|against) (?:my )?(NUM) (?:{FAMILIAR})"), lambda m: number(m[1]) + 1),
    ("both",
     compiled(r"the two of us|just the two|for two(?! \w)|for a couple|game for 2|one[- ]on[- ]one|two persons"),
     lambda _: 2),
    ("of us",
     compiled(r"(NUM)(?: of (?:us|them)| (?:in total|altogether|in all)|"
              r"[- ](?:person|people|player|seat|man|user)s?\b)"),
     lambda m: number(m[1])),
    ("group of",
     compiled(r"(?:party|group|family|class|team|guild|crew|company|club) of (NUM)"), lambda m: number(m[1])),
    ("counted people", compiled(rf"(NUM) (?:(?!and |or )[\w'-]+ ){{0,2}}?(?:{NOUNS})"), lambda m: number(m[1])),
    ("we are", compiled(r"(?:we(?:'re| are)|we'll be|around|up to|for) (NUM)(?= *(?:[.,;!?]|$| at | with | on ))"),
     lambda m: number(m[1])),
    ("me and one", compiled(rf"my (?:\w+ )?(?:{KIN}) and (?:i|me|myself)|(?:me|i) and my (?:\w+ )?(?:{KIN})"),
     lambda _: 2),
    ("with one", compiled(rf"(?:with|against) my (?:best )?(?:{KIN})"), lambda _: 2),
    ("alone", compiled(r"(?:just|only) (?:me|myself)|me alone|on my own|single[- ]player|by myself"), lambda _: 1),
)  # fmt: skip
NOT_PEOPLE = re.compile(r"\b(?:and|hours?|minutes?|mins?|ms|hz|%|days?|years?|km|euros?|credits?)\b", re.IGNORECASE)


def users(text: str) -> Found | None:
    """The number of users, where the text says one."""
    for rule, pattern, count in RULES:
        for match in pattern.finditer(text):
            value = count(match)
            if (value >= 1 and value == int(value) and not NOT_PEOPLE.search(match.group())) or rule in _WITH_AND:
                return Found("users", int(value), match.start(), match.end(), f"users: {rule}")
    return None


_WITH_AND = {"adults and kids", "me and others", "others and me", "me and one"}

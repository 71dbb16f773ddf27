"""What a request says that no request document holds: when, how long, for how much, on which device.

It is told beside the document, for who buys (`s4m buy --cap --periods`) and for the page that shows it.
"""

from orchestrator.intent.found import Found, compiled, number

DAY = "mon|tues|wednes|thurs|fri|satur|sun"
HOURS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
PART = "morning|afternoon|evening|night|lunch"
CLOCK = rf"\d{{1,2}}(?::\d\d)? ?(?:am|pm)|\d{{1,2}}:\d\d|at (?:noon|midnight|lunch)|at (?:{HOURS})(?= *(?:[.,;!?]|$))"
WEEKDAY = rf"(?:on |next |this |every )?(?:{DAY})day(?: (?:{PART}))?"
THIS = rf"(?:this|tomorrow|tomorow|tmrw|every) (?:{PART}|weekend|week|summer)"
NEXT = "next (?:week|weekend|month|time)"
SINGLE = (
    "tonight|tonite|today|tomorrow|tomorow|tmrw|right now|after dinner|after work|all afternoon|"
    "new year's eve|on valentine's day"
)
WHEN = compiled(rf"(?:{WEEKDAY}|{THIS}|{NEXT}|{SINGLE})(?: (?:at )?(?:{CLOCK}))?|{CLOCK}")
DURATION = compiled(r"(?!a )(NUM)[ -]?(hours?|h|minutes?|mins?|days?)")
SECONDS = {"h": 3600, "m": 60, "d": 86_400}
BUDGET = compiled(
    r"(?:budget(?: is| of|:)?|at most|no more than|max(?:imum)?|up to|for) ?[€$£]?(NUM) ?"
    r"(?:credits?|maas|euros?|€|dollars?|\$)|budget(?: is| of|:)? ?[€$£]?(NUM)"
)
DEVICES = {
    "headset": compiled(r"(?:vr )?(?:headsets?|goggles|hmds?)|quest(?: \d)?|vive|vision pro"),
    "glasses": compiled(r"(?:ar |smart )?glasses|visor"),
    "phone": compiled(r"(?:smart)?phones?|mobile"),
    "tablet": compiled(r"tablets?|ipads?"),
}


def wishes(text: str, service_type: str) -> list[Found]:
    """Each field at most once. Of a digital twin no duration: its times are mostly of what it watches."""
    found: list[Found] = []
    if match := WHEN.search(text):
        found.append(Found("when", match.group().lower(), match.start(), match.end(), "when: day or time"))
    if service_type == "ar_vr" and (match := DURATION.search(text)):
        value = round(number(match[1]) * SECONDS[match[2][0].lower()])
        found.append(Found("duration_s", value, match.start(), match.end(), "duration_s: number and unit"))
    if match := BUDGET.search(text):
        value_of = number(match[1] or match[2])
        found.append(Found("budget", value_of, match.start(), match.end(), "budget: number and currency"))
    for device, pattern in DEVICES.items():
        if match := pattern.search(text):
            return [*found, Found("device", device, match.start(), match.end(), "device: its name")]
    return found

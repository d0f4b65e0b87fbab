"""Laws of the policy file: read as a whole, and wrong as a whole, line by line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.detector.events import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from stream.detector.life import Phase
from stream.detector.plays import Play, Release
from stream.detector.policy import Decline, Guard, Identity, Policy
from stream.detector.segments import Comparison, Condition, FromTrait, OpenTicket, Segment
from stream.detector.stages import Kind, Trigger
from stream.wire.durations import format_duration, parse_duration
from stream.wire.mapping import Mapping
from stream.wire.policy_file import LogFormat, PolicyErrors, load, parse
from stream.wire.policy_keys import LISTS, SECTIONS
from stream.wire.toml_lines import key_lines

EVERYTHING = """
[events]
engagement = ["order", "visit*"]
ignore = ["identify"]
warning = ["cancel page"]
ending = ["closed"]
unobserved = ["observation_ended"]
[slipping]
horizon = "90d"
false_alarms_per_customer_month = 0.1
visits_min = 4
escalate_at_risk = 0.9
warning_cleared_by_visits = 2
[visits]
gap = "1h30m"
[time]
allowed_lateness = "1m"
max_future_skew = "0s"
[decline]
enabled = true
sharp_ratio = 0.2
slow_ratio = 0.5
alarm_nats = 5
visits_min = 10
[guard]
enabled = false
collapse = 0.2
recover = 0.7
[identity]
merge = false
[log]
format = "csv"
delimiter = "whitespace"
[[mapping]]
customer = "user.id"
time = "ts"
time_format = "%Y%m%d"
time_of_day = "12:00:00"
event = "action"
volume = "count"
id = "key"
account = "firm"
ignore = { Invoice = "C.*", Kind = "" }
[[mapping]]
customer = "c"
time = "t"
time_of_day = 23:59:59
event = { const = "order" }
"""


def lines_of(text: str) -> list[tuple[int, str]]:
    """Return (line, key and message) of every error in a policy file."""
    with pytest.raises(PolicyErrors) as caught:
        parse(text, "shop.toml")
    assert str(caught.value).startswith(f"shop.toml: {len(caught.value.errors)} error")
    return [(error.line, f"{error.key}: {error.message}") for error in caught.value.errors]


def the_error(text: str) -> str:
    """Return the only error of a policy file."""
    [(_, message)] = lines_of(text)
    return message


def test_an_empty_policy_is_the_default() -> None:
    """Everything has a default: two lines are a policy."""
    file = parse("")
    assert file.policy == Policy(version=file.policy.version)
    assert (file.mappings, file.log) == ((), LogFormat())


def test_every_key_arrives() -> None:
    """What the file says is what the detector gets."""
    file = parse(EVERYTHING)
    assert file.policy == Policy(
        engagement=("order", "visit*"),
        ignore=("identify",),
        warning=("cancel page",),
        ending=("closed",),
        unobserved=("observation_ended",),
        horizon_ms=90 * DAY_MS,
        false_alarms_per_customer_month=0.1,
        visits_min=4,
        visit_gap_ms=90 * MINUTE_MS,
        allowed_lateness_ms=MINUTE_MS,
        max_future_skew_ms=0,
        escalate_at_risk=0.9,
        warning_cleared_by_visits=2,
        decline=Decline(
            enabled=True, sharp_ratio=0.2, slow_ratio=0.5, alarm_nats=5.0, visits_min=10
        ),
        guard=Guard(enabled=False, collapse=0.2, recover=0.7),
        identity=Identity(merge=False),
        version=file.policy.version,
    )
    assert file.log == LogFormat(format="csv", delimiter="whitespace")
    assert file.mappings == (
        Mapping(
            customer="user.id",
            time="ts",
            time_format="%Y%m%d",
            time_of_day_ms=12 * HOUR_MS,
            event="action",
            volume="count",
            id="key",
            account="firm",
            ignore=(("Invoice", "C.*"), ("Kind", "")),
        ),
        Mapping(customer="c", time="t", time_of_day_ms=DAY_MS - SECOND_MS, event_const="order"),
    )


def test_a_mapping_may_be_a_vendors_with_changes() -> None:
    """What is not said is the vendor's; what is said goes before it."""
    text = """
[[mapping]]
preset = "amplitude"
customer = ["user_properties.id", "user_id"]
event = { const = "use" }
id = "uuid"
[[mapping]]
customer = "c"
time = ["t", "u"]
event = ["e", "f"]
"""
    amplitude, own = parse(text).mappings
    assert amplitude == Mapping(
        preset="amplitude",
        customer=("user_properties.id", "user_id"),
        time=("event_time", "time"),
        event_const="use",
        id="uuid",
        traits=("user_properties",),
        renamed=(("$identify", "identify"), ("$groupidentify", "group")),
    )
    assert own == Mapping(customer="c", time=("t", "u"), event=("e", "f"))


def test_every_error_is_told_at_once_with_its_line() -> None:
    """Four mistakes are four sentences, not four runs."""
    found = lines_of(
        '[events]\nwarning = ["a"]\nending = ["a"]\n\n'
        '[sliping]\n[slipping]\nhorizn = "90d"\ngap = "3h"\nhorizon = 90\n'
        "false_alarms_per_customer_month = 0\n"
        '[[mapping]]\ncustomer = "c"\ntime = "t"\nevnt = "e"\n'
        '[[mapping]]\ncustomer = "c"\n'
    )
    assert [line for line, _ in found] == [2, 5, 7, 8, 9, 10, 11, 14, 15, 15]
    text = "\n".join(message for _, message in found)
    for wanted in (
        '"a" is in ending too',
        "did you mean [slipping]?",
        'did you mean "horizon"?',
        "it belongs into [visits]",
        'write a duration such as "30d"',
        "more than 0 and less than 100",
        'did you mean "event"?',
        "time is missing",
        "event is missing",
    ):
        assert wanted in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[slipping", "not TOML"),
        ("x = " + "[" * 100_000, "nested too deep"),
        ('horizon = "9d"', "belongs into a section: [slipping]"),
        ("visits_min = 3", "[slipping] or [decline]"),
        ("[mappings]", "did you mean [[mapping]]?"),
        ("[zzz]", "no such section; there are events"),
        ('events = "x"', "write [events] on a line of its own"),
        ('[mapping]\ncustomer = "c"', "write [[mapping]]"),
        ("mapping = 3", "write [[mapping]]"),
        ("mapping = [3]", "write [[mapping]]"),
        ('[[mapping]]\npreset = "posthogg"', 'expected one of "cloudevents", "posthog"'),
        ('[[mapping]]\npreset = "posthog"\ncustomer = []', "names no column"),
        ('[[mapping]]\npreset = "posthog"\ntime = ["t", 3]', "expected text in quotes"),
        ('[visits]\nhorison = "1d"', 'did you mean "horizon" in [slipping]?'),
        ("[visits]\nqqqq = 1", "unknown key; there are gap"),
        ('[slipping]\nhorizon = "30"', "is no duration"),
        ('[slipping]\nhorizon = "1.5h"', "is no duration"),
        ('[slipping]\nhorizon = "1s"', "out of range: from 1d"),
        ('[slipping]\nhorizon = "2d"\n[visits]\ngap = "2d"', "must be longer than [visits] gap"),
        ('[visits]\ngap = "40d"', "must be longer than [visits] gap"),
        ('[slipping]\nhorizon = "1d"\n[time]\nallowed_lateness = "2d"', "must be shorter than"),
        ("[slipping]\nfalse_alarms_per_customer_month = true", "is no number"),
        ("[slipping]\nfalse_alarms_per_customer_month = nan", "out of range"),
        ("[slipping]\nnotice_days_per_false_alarm = 0", "out of range"),
        (
            "[slipping]\nnotice_days_per_false_alarm = 9\nfalse_alarms_per_customer_month = 0.1",
            "keep one of them",
        ),
        (
            """[[segment]]
name = "a"
notice_days_per_false_alarm = 9
false_alarms_per_customer_month = 0.1""",
            "keep one of them",
        ),
        (
            '[[segment]]\nname = "a"\neligible = false\nfalse_alarms_per_customer_month = 0.1',
            "says nothing where eligible = false",
        ),
        (
            "".join(
                f'[[segment]]\nname = "{n}"\nwhere = {{ plan = "{n}" }}\n'
                "notice_days_per_false_alarm = 9\n"
                for n in range(21)
            ),
            '"20" is the 21st with a dial of its own: 20 may have one',
        ),
        ("[slipping]\nvisits_min = 0", "from 1 to 1000"),
        ("[slipping]\nvisits_min = 2.5", "is no whole number"),
        ("[slipping]\nescalate_at_risk = 1.0", "between 0 and 1"),
        ('[decline]\nenabled = "yes"', "neither true nor false"),
        ("[decline]\nsharp_ratio = 0.6", "sharp falls deeper"),
        ("[decline]\nshare = 1.0", "a share of the dial, between 0 and 1"),
        ("[decline]\nshare = 0.3\nalarm_nats = 3.0", "keep one of them"),
        ("[guard]\ncollapse = 0.6", "must be less than recover (0.6)"),
        ("[guard]\nrecover = 0.2", "must be less than recover (0.2)"),
        ('[events]\nengagement = "order"', 'write a list, ["order"]'),
        ("[events]\nengagement = 3", "expected a list of event names"),
        ("[events]\nengagement = []", "nothing would count as use"),
        ('[events]\nwarning = [""]', "is no event name"),
        ('[log]\nformat = "xml"', 'expected one of "csv", "jsonl", "parquet"'),
        ('[log]\ndelimiter = ", "', "expected one character"),
        ("[[mapping]]\nq = 1\ncustomer = 'c'\ntime = 't'\nevent = 'e'", "unknown key; there are"),
    ],
)
def test_an_error_says_what_to_write_instead(text: str, wanted: str) -> None:
    """An author who reads the sentence does not need the manual."""
    assert wanted in the_error(text)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("customer = ''", "expected text in quotes"),
        ("time = 4", "expected text in quotes"),
        ("event = {const = ''}", "or a constant"),
        ("event = {const = 'a', b = 1}", "or a constant"),
        (f"event = {{const = '{'x' * 513}'}}", "longer than 512 bytes"),
        ("time_format = 'seconds'", "is no time format"),
        ("time_format = '%Y-%q-%d'", "is no strptime pattern"),
        ("time_format = '%H:%M'", "leaves the date open"),
        ("time_of_day = 'noon'", "is no time of day"),
        ("time_of_day = '12:00:00+02:00'", "is no time of day in UTC"),
        ("time_of_day = 12", "is no time of day in UTC"),
        ("ignore = 'x'", 'expected {Column = "regex"}'),
        ("ignore = {a = 1}", "expected a regular expression"),
        ("ignore = {a = '('}", "is no regular expression"),
    ],
)
def test_a_mapping_is_checked_value_by_value(line: str, wanted: str) -> None:
    """A mapping that cannot work is found before the first row is read."""
    good = {"customer": "customer = 'c'", "time": "time = 't'", "event": "event = 'e'"}
    good.pop(line.split(" ", maxsplit=1)[0], None)
    assert wanted in the_error("\n".join(["[[mapping]]", line, *good.values()]))


def test_a_mapping_says_all_that_it_lacks() -> None:
    """Three columns are needed: which customer, when, what."""
    assert [message for _, message in lines_of("[[mapping]]")] == [
        f"[[mapping]]: {key} is missing: which column holds it?"
        for key in ("customer", "time", "event")
    ]


def test_nothing_is_concluded_from_what_could_not_be_read() -> None:
    """One mistake is not told twice."""
    assert "is no duration" in the_error('[slipping]\nhorizon = "3x"\n[visits]\ngap = "40d"')


def test_the_version_is_what_the_detector_obeys() -> None:
    """Comments, order and mappings change no decision, so they change no version."""
    plain = parse('[slipping]\nhorizon = "30d"\n[events]\nengagement = ["a", "b"]')
    same = parse(
        '# of ours\n[events]\nengagement = ["b", "a", "a"]\n[slipping]\nhorizon = "720h"\n'
        '[[mapping]]\ncustomer = "c"\ntime = "t"\nevent = "e"\n[log]\nformat = "csv"'
    )
    other = parse('[slipping]\nhorizon = "31d"\n[events]\nengagement = ["a", "b"]')
    assert plain.policy.version == same.policy.version
    assert plain.policy.version != other.policy.version
    assert len(plain.policy.version) == 12


def test_a_file_that_cannot_be_read_is_an_error_like_others(tmp_path: Path) -> None:
    """The operator reads one kind of message."""
    with pytest.raises(PolicyErrors, match="cannot be read: No such file"):
        load(tmp_path / "absent.toml")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# \xff")
    with pytest.raises(PolicyErrors, match="is not UTF-8"):
        load(latin)


def test_windows_line_ends_are_line_ends(tmp_path: Path) -> None:
    """Editors differ."""
    path = tmp_path / "shop.toml"
    path.write_bytes(EVERYTHING.replace("\n", "\r\n").encode())
    assert load(path) == parse(EVERYTHING)


def test_lines_are_found_behind_strings_and_brackets() -> None:
    """Quotes, comments and lists over several lines hide no key and make up none."""
    text = (
        '# x = 1\ntop = "a # b"\n[events] # c\nengagement = [ "[no]", # ]\n  "b",\n]\n'
        "'quo.ted' = 3\nlong = '''\n[fake]\nx = 1\n'''\nafter.that = {a = [1]}\n"
        "[[mapping]]\na = 1\n[[mapping]]\nb = 1\n[last]"
    )
    assert key_lines(text) == {
        ("top",): 2,
        ("events",): 3,
        ("events", "engagement"): 4,
        ("events", "quo.ted"): 7,
        ("events", "long"): 8,
        ("events", "after", "that"): 12,
        ("mapping", 0): 13,
        ("mapping", 0, "a"): 14,
        ("mapping", 1): 15,
        ("mapping", 1, "b"): 16,
        ("last",): 17,
    }


@given(st.integers(0, 10**9))
def test_durations_round_trip(seconds: int) -> None:
    """What we print in a message can be pasted into the file."""
    assert parse_duration(format_duration(seconds * 1_000)) == seconds * 1_000


@given(st.text(alphabet="[]{}=\"'#\n\\,.abc1 ", max_size=40))
def test_arbitrary_text_is_a_policy_or_its_errors(text: str) -> None:
    """Whatever an author writes, the answer is a sentence."""
    try:
        parse(text)
    except PolicyErrors as errors:
        assert errors.errors  # noqa: PT017 - both outcomes are right


SEGMENTS = """
[events]
activation = ["created"]
contact = ["mail"]
ticket_opened = ["ticket"]

[[segment]]
name = "trial"
where = { plan = "trial", seats = "< 5.5", tested = true, level = [1, 2] }
eligible = false
visits_min = 1
own_gaps_min = 2
silent_min = "3d"
silent_max = "9d"
activate_within = "7d"
ticket = "raise"
contact_rest = "12h"
value = { trait = "mrr" }
owner = "dana"

[[segment]]
name = "rest"
value = 5
owner = { trait = "csm" }

[[play]]
name = "call"
say = "Call them."
segment = "trial"
phase = ["onboarding", "active"]
kind = ["opened"]
trigger = ["silence"]
reason = ["less_use"]
ticket = false

[[release]]
name = "Boards"
date = 2026-10-01
new = "lists side by side"
segment = ["rest"]

[[release]]
name = "Exports"
date = 2026-10-01T12:00:00+02:00
"""


def test_segments_plays_and_releases_are_read() -> None:
    """Every key, once."""
    policy = parse(SEGMENTS).policy
    trial, rest = policy.segments
    assert trial == Segment(
        name="trial",
        where=(
            Condition(trait="plan", one_of=("trial",)),
            Condition(trait="seats", comparison=Comparison.LESS, bound=5.5),
            Condition(trait="tested", one_of=(True,)),
            Condition(trait="level", one_of=(1, 2)),
        ),
        eligible=False,
        visits_min=1,
        own_gaps_min=2.0,
        silent_min_ms=3 * DAY_MS,
        silent_max_ms=9 * DAY_MS,
        activate_within_ms=7 * DAY_MS,
        ticket=OpenTicket.RAISE,
        contact_rest_ms=DAY_MS // 2,
        value=FromTrait("mrr"),
        owner="dana",
    )
    assert (rest.value, rest.owner) == (5.0, FromTrait("csm"))
    assert policy.traits == {"plan", "seats", "tested", "level", "mrr", "csm"}
    assert policy.plays == (
        Play(
            name="call",
            say="Call them.",
            segments=("trial",),
            phases=(Phase.ONBOARDING, Phase.ACTIVE),
            kinds=(Kind.OPENED,),
            triggers=(Trigger.SILENCE,),
            reasons=("less_use",),
            ticket=False,
        ),
    )
    day = 1_790_812_800_000  # 2026-10-01
    boards, exports = policy.releases
    assert boards == Release(name="Boards", at=day, new="lists side by side", segments=("rest",))
    assert exports.at == day + 10 * DAY_MS // 24


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[[segment]]\nwhere = {a = 1}", "[[segment]]: name is missing"),
        ('[segment]\nname = "a"', "write [[segment]]"),
        ('[[segment]]\nname = "a"\n[[segment]]\nname = "b"', "everybody, and no segment after it"),
        (
            '[[segment]]\nname = "a"\nwhere = {a = 1}\n[[segment]]\nname = "a"',
            '"a" is there twice',
        ),
        ('[[segment]]\nname = "a"\nwhere = "trial"', "expected traits and what they are"),
        ('[[segment]]\nname = "a"\nwhere = {}', "expected traits and what they are"),
        ('[[segment]]\nname = "a"\nwhere = {a = []}', "no customer has one of no values"),
        ('[[segment]]\nname = "a"\nwhere = {a = 2020-01-01}', "expected text, a number, true"),
        ('[[segment]]\nname = "a"\nwhere = {a = ">= many"}', 'a bound such as ">= 50"'),
        ('[[segment]]\nname = "a"\nescalate_at_risk = 0.5', "it belongs into [slipping]"),
        ('[[segment]]\nname = "a"\nsilent_min = "30d"', "shorter than [slipping] horizon (30d)"),
        ('[[segment]]\nname = "a"\nsilent_max = "30d"', "shorter than [slipping] horizon (30d)"),
        (
            '[[segment]]\nname = "a"\nhorizon = "7d"\nsilent_max = "7d"',
            "shorter than its horizon (7d)",
        ),
        (
            '[[segment]]\nname = "a"\nhorizon = "7d"\nsilent_min = "8d"',
            "shorter than its horizon (7d)",
        ),
        ('[[segment]]\nname = "a"\nhorizon = "1h"', "out of range"),
        (
            '[visits]\ngap = "9d"\n[[segment]]\nname = "a"\nhorizon = "7d"',
            "a silence within a visit",
        ),
        (
            '[time]\nallowed_lateness = "8d"\n[[segment]]\nname = "a"\nhorizon = "7d"',
            "no decision would ever be made",
        ),
        (
            "".join(
                f'[[segment]]\nname = "{name}"\nwhere = {{ plan = "a" }}\nhorizon = "{name[:2]}d"\n'
                for name in ("07", "30", "08", "07 too", "09", "10", "11")
            ),
            '"11" has the 5th horizon',
        ),
        (
            '[[segment]]\nname = "a"\nsilent_min = "5d"\nsilent_max = "4d"',
            "must not be shorter than silent_min",
        ),
        ('[[segment]]\nname = "a"\nactivate_within = "7d"', "needs [events] activation"),
        ('[[segment]]\nname = "a"\nticket = "raise"', "needs [events] ticket_opened"),
        ('[[segment]]\nname = "a"\nticket = "rise"', 'one of "ignore", "suppress", "raise"'),
        ('[[segment]]\nname = "a"\ncontact_rest = "7d"', "needs [events] contact"),
        ('[[segment]]\nname = "a"\nvalue = "mrr"', 'the trait with it: {trait = "mrr"}'),
        ('[[segment]]\nname = "a"\nvalue = inf', "is out of range"),
        ('[[segment]]\nname = "a"\nowner = 3', "expected text in quotes"),
        ('[[segment]]\nname = "a"\nowner = {trait = 3}', "expected text in quotes"),
        ('[[play]]\nsay = "x"', "[[play]]: name is missing"),
        ('[[play]]\nname = "a"\nsegment = ["tril"]', 'no segment "tril"; there are none'),
        (
            '[[segment]]\nname = "trial"\n[[play]]\nname = "a"\nsegment = ["tril"]',
            'did you mean "trial"?',
        ),
        ('[[play]]\nname = "a"\nreason = ["les_use"]', 'did you mean "less_use"?'),
        ('[[play]]\nname = "a"\ntrigger = ["silent"]', 'expected one of "silence"'),
        ('[[play]]\nname = "a"\nphase = []', "expected a list of names"),
        ('[[play]]\nname = "a"\nticket = true', "needs [events] ticket_opened"),
        ('[[play]]\nname = "a"\n[[play]]\nname = "b"', "no play after it is ever suggested"),
        ('[[release]]\nname = "a"', "[[release]]: date is missing"),
        ('[[release]]\nname = "a"\ndate = "2026-10-01"', "without quotes"),
        ('[[release]]\nname = "a"\ndate = 2026-10-01\nsegment = "x"', 'no segment "x"'),
        ('[slipping]\nticket = "raise"', "it belongs into [[segment]]"),
        ("tickt = 1", "no such section"),
        ("say = 1", "belongs into a section: [[play]]"),
    ],
)
def test_an_error_in_a_list_of_sections_says_what_to_write_instead(text: str, wanted: str) -> None:
    """There are several of them, and each has lines of its own."""
    assert wanted in the_error(text)


def test_a_policy_with_ten_errors_gets_ten_messages() -> None:
    """Each at its line, none because of another."""
    found = lines_of(
        "[events]\nengagement = []\n"
        '[slipping]\nhorizon = "9x"\n'
        '[[segment]]\nname = "a"\nwhere = {a = []}\nticket = "rise"\nvalue = "x"\n'
        "[[segment]]\nwhere = {a = 1}\n"
        '[[play]]\nname = "p"\nphase = ["onbording"]\nkinds = ["opened"]\n'
        '[[release]]\nname = "r"\ndate = "soon"\n'
        "[guards]\n"
    )
    assert [line for line, _ in found] == [2, 4, 7, 8, 9, 10, 14, 15, 18, 19]


def test_the_reference_names_every_key() -> None:
    """What the grammar reads, POLICY.md explains."""
    text = (Path(__file__).parents[3] / "POLICY.md").read_text()
    for section, keys in {**SECTIONS, **LISTS}.items():
        assert f"[{section}]" in text
        for key in keys:
            assert f"`{key}`" in text or f" {key}`" in text, f"{section}: {key}"

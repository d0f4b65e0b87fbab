"""Contracts with those who send: what vendors' own documentation shows is understood.

Every record has the keys, and the kind of values, of the page that is named beside
it; the values themselves are ours.
"""

from typing import Any

import orjson
import pytest

from stream.detector.errors import BadEvent, Code
from stream.detector.events import UsageEvent
from stream.wire.events import Bundle, Decoded, Decoder
from stream.wire.mapping import Mapping
from stream.wire.policy_file import parse

NOW = 1_790_000_000_000
AT = 1_772_357_400_000
WHEN = "2026-03-01T09:30:00Z"

# https://posthog.com/docs/api/capture
CAPTURE: dict[str, Any] = {
    "api_key": "phc_x",
    "event": "report exported",
    "distinct_id": "u1",
    "properties": {"plan": "pro", "$lib": "web"},
    "timestamp": WHEN,
}
# https://posthog.com/docs/cdp/batch-exports/s3, as JSON lines
EXPORTED: dict[str, Any] = {
    "uuid": "0195-1",
    "event": "report exported",
    "distinct_id": "u1",
    "person_id": "0195-p",
    "properties": {"plan": "pro"},
    "person_properties": {},
    "elements_chain": "",
    "timestamp": "2026-03-01T09:30:00.000000+00:00",
    "created_at": "2026-03-01T09:30:01+00:00",
}
# https://posthog.com/docs/data-pipelines/destinations/webhook
WEBHOOK: dict[str, Any] = {
    "event": {
        "uuid": "0195-1",
        "event": "report exported",
        "distinct_id": "u1",
        "properties": {"plan": "pro"},
        "timestamp": "2026-03-01T09:30:00.000Z",
    },
    "person": {"id": "0195-p", "properties": {}},
}
# https://amplitude.com/docs/apis/analytics/export
AMPLITUDE: dict[str, Any] = {
    "server_received_time": "2026-03-01 09:30:01.000000",
    "app": 1,
    "user_id": "u1",
    "device_id": "d9",
    "uuid": "8f-1",
    "event_time": "2026-03-01 09:30:00.000000",
    "client_event_time": "2026-03-01 10:30:00.000000",
    "event_type": "report exported",
    "amplitude_id": 12_345,
    "event_properties": {"plan": "pro"},
    "$insert_id": "i1",
}
# https://amplitude.com/docs/apis/analytics/http-v2
UPLOAD: dict[str, Any] = {
    "api_key": "k",
    "events": [
        {"user_id": "u1", "event_type": "report exported", "time": AT, "insert_id": "i1"},
        {"device_id": "d9", "event_type": "report exported", "time": AT},
    ],
}
# https://docs.snowplow.io/docs/fundamentals/canonical-event, as its analytics SDKs write it
SNOWPLOW: dict[str, Any] = {
    "app_id": "shop",
    "platform": "web",
    "etl_tstamp": "2026-03-01T09:31:05.048Z",
    "collector_tstamp": "2026-03-01T09:30:02.000Z",
    "dvce_created_tstamp": "2026-03-01T11:30:00.986Z",
    "derived_tstamp": "2026-03-01T09:30:00.000Z",
    "event": "unstruct",
    "event_id": "f4b8-1",
    "txn_id": None,
    "event_name": "link_click",
    "user_id": "u1",
    "domain_userid": "bc2e-1",
    "unstruct_event_com_snowplowanalytics_snowplow_link_click_1": {"elementId": "more"},
}


def decode(record: object, *mappings: Mapping) -> Decoded:
    """Decode a record as the bytes it comes as."""
    return Decoder(mappings).decode(orjson.dumps(record), NOW)


def refused(record: object, *mappings: Mapping) -> BadEvent:
    """Return why a record is refused."""
    with pytest.raises(BadEvent) as caught:
        decode(record, *mappings)
    return caught.value


def event(message_id: str = "", **facts: Any) -> UsageEvent:
    """Return the event that the examples tell of, but for `facts`."""
    plain = {"customer_id": "u1", "name": "report exported", "occurred_at": AT, "received_at": NOW}
    return UsageEvent(**(plain | {"message_id": message_id} | facts))


def preset(text: str) -> Mapping:
    """Return the mapping of a policy that has this one."""
    return parse(f"[[mapping]]\n{text}").mappings[0]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (CAPTURE, event()),
        (EXPORTED, event("0195-1")),
        (WEBHOOK, event("0195-1")),
        (AMPLITUDE, event("i1")),
        (AMPLITUDE | {"user_id": None}, event("i1", customer_id="d9")),
        (AMPLITUDE | {"user_id": "", "$insert_id": None}, event("8f-1", customer_id="d9")),
        (SNOWPLOW, event("f4b8-1", name="link_click")),
        (SNOWPLOW | {"user_id": None}, event("f4b8-1", name="link_click", customer_id="bc2e-1")),
        (
            SNOWPLOW | {"derived_tstamp": None, "event": "page_view", "event_name": None},
            event("f4b8-1", name="page_view", occurred_at=AT + 2_000),
        ),
    ],
)
def test_a_vendors_event_is_recognised_by_its_shape(
    record: dict[str, Any], told: UsageEvent
) -> None:
    """Nothing has to be configured for what cannot be anything else."""
    assert decode(record) == told


@pytest.mark.parametrize(
    ("vendor", "record"),
    [("posthog", CAPTURE), ("posthog", WEBHOOK), ("amplitude", AMPLITUDE), ("snowplow", SNOWPLOW)],
)
def test_a_named_preset_reads_the_same(vendor: str, record: dict[str, Any]) -> None:
    """To name it is to be sure; a shape is not needed then."""
    assert decode(record, preset(f'preset = "{vendor}"')) == decode(record)


def test_a_preset_may_be_changed_key_by_key() -> None:
    """Who a customer is, the product decides, not the vendor."""
    mapping = preset('preset = "posthog"\ncustomer = "person_id"\naccount = "properties.plan"')
    assert decode(EXPORTED, mapping) == event("0195-1", customer_id="0195-p", account_id="pro")


def test_what_an_explicit_mapping_does_not_fit_is_not_guessed() -> None:
    """A row without its customer must not become an event of somebody else."""
    mapping = Mapping(customer="person_id", time="timestamp", event="event")
    assert refused(CAPTURE, mapping).code == Code.NO_CUSTOMER
    mapping = preset('preset = "posthog"\ncustomer = "person_id"')
    assert refused(CAPTURE, mapping).code == Code.NO_CUSTOMER


def test_what_may_be_of_two_vendors_is_refused_until_one_is_named() -> None:
    """Never guess: either would be wrong in half of the cases."""
    both = CAPTURE | SNOWPLOW | {"event": "page_view"}
    bad = refused(both)
    assert bad.code == Code.AMBIGUOUS
    assert "posthog or snowplow" in bad.message
    assert decode(both, preset('preset = "snowplow"')) == event("f4b8-1", name="link_click")


@pytest.mark.parametrize(
    "record",
    [
        {"event": "order", "properties": {"distinct_id": "u1", "time": AT}},  # Mixpanel's
        {"user_id": "u1", "event_type": "order", "time": AT},
        {"event_id": "1", "user_id": "u1", "event": "order", "time": AT},
    ],
)
def test_a_shape_that_others_have_too_is_not_recognised(record: dict[str, Any]) -> None:
    """These could be anybody's: the policy has to say whose they are."""
    assert refused(record).code == Code.UNKNOWN_TYPE


def test_an_uploads_form_is_read_where_it_is_named() -> None:
    """What Amplitude's libraries send has no keys of its own, but a form that is known."""
    assert decode(UPLOAD["events"][0], preset('preset = "amplitude"')) == event("i1")


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (CAPTURE | {"timestamp": None}, Code.NO_TIME),
        (CAPTURE | {"distinct_id": ""}, Code.NO_CUSTOMER),
        (CAPTURE | {"distinct_id": {"id": 1}}, Code.WRONG_TYPE),
        (WEBHOOK | {"event": WEBHOOK["event"] | {"timestamp": "soon"}}, Code.BAD_TIME),
        (AMPLITUDE | {"user_id": None, "device_id": None}, Code.NO_CUSTOMER),
        (AMPLITUDE | {"event_time": 12}, Code.TOO_OLD),
        (SNOWPLOW | {"event_id": ["f"]}, Code.WRONG_TYPE),
        (SNOWPLOW | {"event_name": None, "event": None}, Code.NO_EVENT),
    ],
)
def test_a_vendors_event_that_is_broken_says_where(record: dict[str, Any], code: Code) -> None:
    """It is refused as that vendor's, not as something unknown."""
    assert refused(record).code == code


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (CAPTURE | {"event": "$identify"}, "identify"),
        (CAPTURE | {"event": "$set"}, "identify"),
        (CAPTURE | {"event": "$groupidentify"}, "group"),
        (CAPTURE | {"event": "$create_alias"}, "alias"),
        (CAPTURE | {"event": "$pageview"}, "$pageview"),
        (AMPLITUDE | {"event_type": "$identify"}, "identify"),
    ],
)
def test_who_somebody_is_takes_segments_names(record: dict[str, Any], name: str) -> None:
    """By default they are no engagement; what people do keeps the name it came with."""
    told = decode(record)
    assert isinstance(told, UsageEvent)
    assert told.name == name


# https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/#batch
BATCH: dict[str, Any] = {
    "batch": [
        {"type": "identify", "userId": "u1", "timestamp": WHEN},
        {"type": "track", "userId": "u1", "event": "report exported", "timestamp": WHEN},
    ],
    "writeKey": "w",
    "context": {"groupId": "a1"},
}  # fmt: skip


def test_a_batch_is_its_calls() -> None:
    """What the batch says of all of them holds for each."""
    told = decode(BATCH)
    assert told == Bundle((event(name="identify", account_id="a1"), event(account_id="a1")), None)


def test_a_call_says_more_than_its_batch() -> None:
    """Its own context goes before that of all."""
    call = BATCH["batch"][1] | {"context": {"groupId": "a2"}}
    assert decode(BATCH | {"batch": [call]}) == Bundle((event(account_id="a2"),), None)


def test_a_batchs_clocks_correct_its_calls() -> None:
    """The sender's clock is an hour ahead, as an hour between sending and receipt shows."""
    call = BATCH["batch"][1] | {"timestamp": "2026-03-01T10:29:00Z"}
    clocks = {"sentAt": "2026-03-01T10:30:00Z", "receivedAt": "2026-03-01T09:31:00Z"}
    assert decode({"batch": [call]} | clocks) == Bundle((event(),), None)
    exact = call | {
        "timestamp": "2026-03-01T09:30:00Z",
        "originalTimestamp": "2026-03-01T10:29:00Z",
    }
    assert decode({"batch": [exact]} | clocks) == Bundle((event(),), None)


def test_posthogs_batch_says_who_in_properties() -> None:
    """https://posthog.com/docs/api/capture: `distinct_id` may stand in either place."""
    item = {key: CAPTURE[key] for key in ("event", "timestamp")}
    record = {"api_key": "phc_x", "historical_migration": False}
    told = decode(record | {"batch": [item | {"properties": {"distinct_id": "u1"}}]})
    assert told == Bundle((event(),), None)


def test_amplitudes_upload_is_its_events() -> None:
    """The form around them says whose they are."""
    assert decode(UPLOAD) == Bundle((event("i1"), event(customer_id="d9")), None)


def test_one_bad_call_does_not_spoil_its_batch() -> None:
    """There is one reason for all that cannot be used, for there is one record to put aside."""
    beat = {"slipaway": "heartbeat", "watermark": AT}
    bad: list[object] = [3, {"type": "track"}, beat, {"batch": []}, {"type": ["track"]}]
    told = decode({"batch": [*bad, *BATCH["batch"]]})
    assert isinstance(told, Bundle)
    assert len(told.events) == 2
    assert told.bad is not None
    assert told.bad.code == Code.NOT_AN_OBJECT
    assert told.bad.message.startswith("[0] of a batch of 7: ")
    assert "4 more" in told.bad.message


def test_a_mapping_reads_a_batchs_items_or_the_batch_itself() -> None:
    """What the operator spelled out goes before what we know by heart."""
    items = Mapping(customer="who", time="at", event_const="order")
    told = decode({"batch": [{"who": "u1", "at": AT}]}, items)
    assert told == Bundle((event(name="order"),), None)
    told = decode({"api_key": "k", "events": [{"who": "u1", "at": AT}]}, items)
    assert told == Bundle((event(name="order"),), None)
    whole = {"who": "u1", "at": AT, "batch": [1]}
    assert decode(whole, items) == event(name="order")
    assert refused({"batch": "1"}).code == Code.UNKNOWN_TYPE
    assert refused({"events": [], "api_key": 3}).code == Code.UNKNOWN_TYPE


def test_a_block_counts_events_where_values_have_several() -> None:
    """Places are those of values: a batch of two, one of none, a broken one, a plain one."""
    values = [BATCH, {"batch": []}, {"batch": [3]}, BATCH["batch"][1]]
    block = Decoder().decode_block([orjson.dumps(value) for value in values], [NOW] * 4)
    assert [block.place(number) for number in range(len(block.events))] == [0, 0, 3]
    assert [block.before(place) for place in range(4)] == [0, 2, 2, 2]
    assert [(place, type(other)) for place, other in block.others] == [
        (1, type(None)),
        (2, BadEvent),
    ]


# https://segment.com/docs/connections/spec/common/ and .../group/
COMMON: dict[str, Any] = {
    "anonymousId": "a9",
    "context": {"active": True, "groupId": "g1", "timezone": "Europe/Amsterdam"},
    "integrations": {"All": True},
    "messageId": "m1",
    "receivedAt": "2026-03-01T09:30:00.328Z",
    "sentAt": "2026-03-01T09:30:00.000Z",
    "timestamp": "2026-03-01T09:30:00.000Z",
    "type": "track",
    "event": "report exported",
    "userId": "u1",
    "version": 2,
}


def test_segments_common_fields() -> None:
    """As the spec's page has them all."""
    assert decode(COMMON) == event("m1", account_id="g1")


def test_a_group_call_names_its_group() -> None:
    """`groupId` stands beside `userId` there, not in the context."""
    group = COMMON | {"type": "group", "groupId": "g2", "traits": {"name": "Initech"}}
    assert decode(group) == event("m1", name="group", account_id="g2")


@pytest.mark.parametrize("kind", ["track", "identify"])
def test_who_is_not_active_was_not_there(kind: str) -> None:
    """The message is known of, and stands for no use."""
    record = COMMON | {"type": kind, "context": {"active": False}, "properties": {"count": 4}}
    told = decode(record)
    assert isinstance(told, UsageEvent)
    assert told.volume == 0
    for unclear in (None, True, "false", 0):
        told = decode(record | {"context": {"active": unclear}})
        assert isinstance(told, UsageEvent)
        assert told.volume == 4


def test_rudderstacks_messages() -> None:
    """https://www.rudderstack.com/docs/event-spec/standard-events/common-fields/.

    Their clocks say `originalTimestamp` first; traits of `identify` stand in the context.
    """
    record = {
        "anonymousId": "a9",
        "channel": "web",
        "context": {"traits": {"email": "a@example.com"}},
        "type": "identify",
        "originalTimestamp": "2026-03-01T10:29:00.000Z",
        "sentAt": "2026-03-01T10:30:00.000Z",
        "receivedAt": "2026-03-01T09:31:00.000Z",
        "messageId": "m1",
        "userId": "u1",
        "rudderId": "r1",
    }
    assert decode(record) == event("m1", name="identify")
    assert decode(record | {"userId": ""}) == event("m1", name="identify", customer_id="a9")

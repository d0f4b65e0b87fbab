"""The contract: valid by others' rules, true of what is written, and enough to read it by."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from needs import ROOT
from said import alert
from typer.testing import CliRunner

from stream.cli import cli
from stream.contract import account_schema, alert_schema
from stream.contract.account_examples import KINDS, account_examples
from stream.contract.examples import examples
from stream.detector.accounts.alerts import AccountAlert
from stream.detector.alerts import Alert, Kind, Trigger
from stream.wire.account_alerts import (
    account_alert_headers,
    decode_account_alert,
    encode_account_alert,
)
from stream.wire.alerts import alert_headers, decode_alert, encode_alert

ASYNCAPI = ROOT / "deploy" / "contract" / "asyncapi.yaml"
SCHEMA = ROOT / "deploy" / "contract" / "alert.v1.schema.json"
ACCOUNTS_SCHEMA = ASYNCAPI.with_name("account-alert.v1.schema.json")
SAID = tuple(examples().values())
OF_ACCOUNTS = tuple(account_examples().values())


@cache
def asyncapi() -> dict[str, Any]:
    """Return the document as somebody else would read it."""
    document: dict[str, Any] = yaml.safe_load(ASYNCAPI.read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize(
    ("command", "file"),
    [("asyncapi", ASYNCAPI), ("schema", SCHEMA), ("schema --accounts", ACCOUNTS_SCHEMA)],
)
def test_what_is_committed_is_what_the_types_say(command: str, file: Path) -> None:
    """After a change of the types: `just contract`."""
    said = CliRunner().invoke(cli, ["contract", *command.split()]).stdout
    assert said == file.read_text(encoding="utf-8")


def test_the_document_is_valid_by_asyncapis_own_schema() -> None:
    """Their schema, not ours."""
    packed = Path(__file__).with_name("asyncapi-3.0.0.schema.json.gz").read_bytes()
    validator = Draft7Validator(orjson.loads(gzip.decompress(packed)))
    assert [error.message for error in validator.iter_errors(asyncapi())] == []
    broken = {**asyncapi(), "channels": {"alerts": {"adress": "x"}}}
    assert list(validator.iter_errors(broken)) != []


def test_the_topic_is_named_as_it_is_here() -> None:
    """Whoever renames the topic gets the document of that name."""
    shown = CliRunner().invoke(cli, ["contract", "asyncapi", "--set", "topics.alerts=shop.alerts"])
    assert yaml.safe_load(shown.stdout)["channels"]["alerts"]["address"] == "shop.alerts"


def test_the_json_schema_is_one() -> None:
    """By the meta-schema of its own draft."""
    Draft202012Validator.check_schema(orjson.loads(SCHEMA.read_bytes()))


def test_there_is_an_example_of_every_kind_and_each_is_one() -> None:
    """The detector's own alerts; the parser of AsyncAPI does not look at examples."""
    assert {one.kind for one in SAID} == set(Kind)
    for name, message in asyncapi()["components"]["messages"].items():
        (example,) = message["examples"]
        assert errors(message["payload"], example["payload"]) == []
        assert errors(message["headers"], example["headers"]) == []
        said = orjson.dumps(example["payload"])
        of_account = name.startswith("account_")
        if of_account:
            assert encode_account_alert(decode_account_alert(said)) == said
        else:
            assert encode_alert(decode_alert(said)) == said
        assert example["payload"]["kind"] == name.removeprefix("account_")


@pytest.mark.parametrize("one", SAID, ids=lambda one: one.kind)
def test_an_encoded_alert_is_valid(one: Alert) -> None:
    """And no other kind's: a notice names nobody, the others somebody."""
    validator = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()))
    data = orjson.loads(encode_alert(one))
    assert list(validator.iter_errors(data)) == []
    other = "opened" if one.kind in alert_schema.NOTICES else "resumed"
    assert list(validator.iter_errors({**data, "kind": other})) != []


@pytest.mark.parametrize(
    "wrong",
    [
        {"risk": 1.1},
        {"risk": None},
        {"time": "yesterday"},
        {"time": 1_770_000_000_000},
        {"customer_id": ""},
        {"trigger": "population"},
        {"silent_for_seconds": -1},
        {"kind": "closed"},
    ],
)
def test_what_is_no_alert_is_refused(wrong: dict[str, Any]) -> None:
    """A schema that takes everything says nothing."""
    validator = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()))
    assert list(validator.iter_errors({**orjson.loads(encode_alert(SAID[0])), **wrong})) != []


def test_every_field_is_explained() -> None:
    """A field that is added to the type brings its words, or this fails."""
    fields = alert_schema.alert_schema()["properties"]
    assert list(fields) == list(Alert.__struct_fields__)
    assert [name for name, field in fields.items() if not field["description"]] == []
    assert fields["risk"]["description"].startswith("P(no visit within the horizon from now), 0 to")


# ---------------------------------------------------------- a reader who knows the document only


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    """Say what is wrong with a value, by a schema of the document."""
    whole = {**schema, "components": asyncapi()["components"]}
    return [error.message for error in Draft7Validator(whole).iter_errors(value)]


class Reader:
    """Reads records by the document, and knows nothing of this package."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Learn which messages there are, by the header that tells them apart."""
        self.by_type: dict[str, dict[str, Any]] = {}
        for channel in document["channels"].values():
            for reference in channel["messages"].values():
                message = self.at(document, reference["$ref"])
                name = message["headers"]["properties"]["ce_type"]["const"]
                self.by_type[name] = message

    @staticmethod
    def at(document: dict[str, Any], reference: str) -> dict[str, Any]:
        """Follow a reference within the document."""
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def read(self, key: bytes, headers: list[tuple[str, bytes]], value: bytes) -> dict[str, Any]:
        """Return the data of a record, after a look whether it is as the document says."""
        texts = {name: text.decode() for name, text in headers}
        message = self.by_type[texts["ce_type"]]
        assert errors(message["headers"], texts) == []
        assert errors(message["bindings"]["kafka"]["key"], key.decode()) == []
        assert message["contentType"] == texts["content-type"]
        data: dict[str, Any] = orjson.loads(value)
        assert errors(message["payload"], data) == []
        return data


STAGES = [
    *SAID,
    alert(customer_id="zoë 🌊", drop_ratio=0.25, trigger=Trigger.DECLINE),
    alert(kind=Kind.LAPSED, usual_gap_seconds=None, expected_by=None, risk=1.0),
]


@pytest.mark.parametrize("one", STAGES, ids=lambda one: f"{one.kind}-{one.trigger}")
def test_a_reader_written_from_the_document_alone_reads_the_alerts(one: Alert) -> None:
    """Which message it is, whom it names, and every field."""
    reader = Reader(asyncapi())
    data = reader.read(one.customer_id.encode(), alert_headers(one), encode_alert(one))
    assert data == orjson.loads(encode_alert(one))
    assert (data["customer_id"], data["episode_id"]) == (one.customer_id, one.episode_id)
    properties = asyncapi()["components"]["schemas"]["alert"]["properties"]
    assert set(data) == set(properties) == set(msgspec.structs.asdict(one))


@pytest.mark.parametrize("one", OF_ACCOUNTS, ids=lambda one: one.kind)
def test_a_reader_written_from_the_document_alone_reads_alerts_on_accounts(
    one: AccountAlert,
) -> None:
    """By their own types of event, keyed by account; and no customer's schema takes them."""
    value = encode_account_alert(one)
    data = Reader(asyncapi()).read(one.account_id.encode(), account_alert_headers(one), value)
    assert (data["account_id"], data["kind"]) == (one.account_id, one.kind.value)
    own = Draft202012Validator(orjson.loads(ACCOUNTS_SCHEMA.read_bytes()))
    assert list(own.iter_errors(data)) == []
    assert list(own.iter_errors({**data, "trigger": "warning"})) != []
    customers = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()))
    assert list(customers.iter_errors(data)) != []


def test_every_field_of_an_alert_on_an_account_is_explained() -> None:
    """And there is an example of every kind that is said of accounts."""
    fields = account_schema.account_alert_schema()["properties"]
    assert list(fields) == list(AccountAlert.__struct_fields__)
    assert [name for name, field in fields.items() if not field["description"]] == []
    assert tuple(one.kind for one in OF_ACCOUNTS) == KINDS

"""The file of endpoints: what may stand there, and what is said of what may not."""

import re
from base64 import b64encode
from pathlib import Path

import pytest
from needs import ROOT
from typer.testing import CliRunner

from stream.cli import cli
from stream.delivery.endpoints import EndpointErrors, load, parse
from stream.delivery.templates.known import TEMPLATES
from stream.delivery.templates.of_accounts import ACCOUNT_TEMPLATES
from stream.delivery.templates.slack import slack
from stream.detector.alerts import Kind

SECRET = "whsec_" + b64encode(b"s" * 32).decode()
ENVIRONMENT = {"CRM": SECRET, "SLACK": "https://hooks.example/T0/B0/x", "BAD": "whsec_x"}
GOOD = """
[[endpoint]]
name = "crm"
url = "https://crm.example/hooks"
secrets = ["env:CRM"]
kinds = ["opened", "lapsed"]
headers = { X-Team = "success" }

[[endpoint]]
name = "channel"
url = "env:SLACK"
template = "slack"
"""


def problems(text: str) -> list[str]:
    """Return what is wrong with a file, a line each."""
    with pytest.raises(EndpointErrors) as raised:
        parse(text, ENVIRONMENT)
    return [str(error) for error in raised.value.errors]


def test_endpoints_are_read() -> None:
    """Secrets from where they are, the rest as it stands."""
    crm, channel = parse(GOOD, ENVIRONMENT)
    assert crm.secrets == (b"s" * 32,)
    assert crm.kinds == {Kind.OPENED, Kind.LAPSED}
    assert crm.headers == (("X-Team", "success"),)
    assert not crm.private
    assert channel.url == "https://hooks.example/T0/B0/x"
    assert channel.template is slack
    assert channel.kinds == frozenset(Kind)


def test_the_example_is_right() -> None:
    """Whoever copies it changes names, not grammar."""
    text = (ROOT / "examples" / "endpoints.toml").read_text(encoding="utf-8")
    named = re.findall("env:([A-Z_]+)", text)
    values = {name: SECRET if "SECRET" in name else "https://x.example" for name in named}
    values |= {name: "Bearer x" for name in named if "AUTHORIZATION" in name}
    endpoints = parse(text, values)
    shown = {*TEMPLATES.values(), ACCOUNT_TEMPLATES["slack"]}
    assert {endpoint.template for endpoint in endpoints} == shown


def test_an_endpoint_shows_nothing_secret() -> None:
    """Whatever logs it."""
    shown = repr(parse(GOOD, ENVIRONMENT))
    assert shown == "[Endpoint('crm'), Endpoint('channel')]"


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    """As they are mounted, with a line break at the end."""
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    (crm, _) = parse(GOOD.replace("env:CRM", f"file:{file}"), ENVIRONMENT)
    assert crm.secrets == (b"s" * 32,)


def test_ten_things_wrong_are_ten_messages_with_their_lines() -> None:
    """Whoever corrects them does it once."""
    text = f"""
[[endpoint]]
nam = "crm"
url = "http://crm.example"
secrets = ["{SECRET}", "env:BAD"]
kinds = ["open"]
headers = {{ webhook-id = "x", X-Key = "env:NONE" }}
private = "no"

[[endpoint]]
name = "events"
url = "https://me:you@api.example"
template = "hubspot"

[other]
"""
    found = problems(text)
    expected = [
        ("line 2", "has to have a name"),
        ("line 3", "did you mean name?"),
        ("line 4", "private = true"),
        ("line 5", "never in this file"),
        ("line 5", "env:BAD: "),
        ("line 6", "opened, escalated"),
        ("line 7", "webhook-id is not for you"),
        ("line 7", "env:NONE: there is nothing"),
        ("line 8", "neither true nor false"),
        ("line 10", "hubspot knows only"),
        ("line 12", "neither a user nor"),
        ("line 15", "no such section"),
    ]
    assert len(found) == len(expected), found
    for line, words in expected:
        assert any(line in one and words in one for one in found), (line, words, found)
    assert SECRET not in "".join(found)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("url = 3", "expected https"),
        ('url = ""', "expected https"),
        ('url = "ftp://x.example"', "no URL of HTTPS"),
        ('url = "https://[::1"', "no URL of HTTPS"),
        ('url = "https://x.example:99999"', "no URL of HTTPS"),
        ('url = "file:/nowhere/at/all"', "there is nothing there"),
        ('template = "fax"', "there is plain, slack"),
        ("event = 3", "expected text"),
        ('secrets = "env:CRM"', "expected a list"),
        ("secrets = []", "plain is signed"),
        ("kinds = []", "expected a list"),
        ('kinds = "opened"', "expected a list"),
        ('headers = "x"', "expected {"),
        ('headers = { X = "a\\nb" }', "no header may"),
        ('nonsense = "x"', "there is name, url"),
        ('backfill = "yes"', "neither true"),
    ],
)
def test_what_may_not_stand_there_is_said(line: str, words: str) -> None:
    """One sentence for the author, at its line."""
    key = line.split(" ", maxsplit=1)[0]
    own = {"name": '"a"', "url": '"https://a.example"', "secrets": '["env:CRM"]'}
    lines = [f"{name} = {value}" for name, value in own.items() if name != key]
    (found,) = problems("[[endpoint]]\n" + "\n".join([*lines, line]))
    assert words in found
    assert f"line {len(lines) + 2}: endpoint.{key}: " in found


def test_two_of_one_name_would_share_a_consumer_group() -> None:
    """Each would get half."""
    (found,) = problems(GOOD.replace('"channel"', '"crm"'))
    assert "crm is there twice" in found


@pytest.mark.parametrize("text", ["", "endpoint = 3", "[endpoint", "[[endpoints]]"])
def test_a_file_without_endpoints_is_said(text: str) -> None:
    """And one that is no TOML."""
    assert problems(text)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(EndpointErrors, match=r"none\.toml"):
        load(tmp_path / "none.toml")
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b"\xff\xfe")
    with pytest.raises(EndpointErrors, match="UTF-8"):
        load(odd)


def test_deliver_says_whats_wrong_before_it_connects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2: a configuration to correct."""
    file = tmp_path / "endpoints.toml"
    file.write_text(GOOD)
    monkeypatch.setenv("CRM", SECRET)
    monkeypatch.setenv("SLACK", "")
    wrong = CliRunner().invoke(cli, ["deliver", str(file), "--check"])
    assert wrong.exit_code == 2
    assert "env:SLACK" in wrong.stderr
    monkeypatch.setenv("SLACK", ENVIRONMENT["SLACK"])
    right = CliRunner().invoke(cli, ["deliver", str(file), "--check"])
    assert (right.exit_code, right.stdout) == (0, f"{file}: valid, 2 endpoints\n")
    unknown = CliRunner().invoke(cli, ["deliver", str(file), "--enable", "crn"])
    assert unknown.exit_code == 2
    assert "there is only crm, channel" in unknown.stderr

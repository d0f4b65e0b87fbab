"""Settings: precedence, every error at once, and no secret on the way out."""

import os
import re
import traceback
from pathlib import Path

import pytest

from stream.settings import SECRET, SettingsError, knobs, load, nested, redacted
from stream.worker.connection import connection


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SLIPAWAY_"):
            monkeypatch.delenv(name)


def test_flags_go_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator overrides for one run without editing what is deployed."""
    file = tmp_path / "slipaway.toml"
    file.write_text('partitions = 1\nweb_port = 1\napp_id = "file"\n[topics]\nusage = "file"\n')
    monkeypatch.setenv("SLIPAWAY_CONFIG", str(file))
    monkeypatch.setenv("SLIPAWAY_PARTITIONS", "2")
    monkeypatch.setenv("SLIPAWAY_WEB_PORT", "2")
    monkeypatch.setenv("SLIPAWAY_TOPICS__ALERTS", "environment")
    settings = load(nested(["partitions=3", "topics.state=flag"]))
    assert (settings.partitions, settings.web_port, settings.app_id) == (3, 2, "file")
    assert settings.topics.usage == "file"
    assert settings.topics.alerts == "environment"
    assert settings.topics.state == "flag"
    assert settings.topics.model == "slipaway.model"


@pytest.mark.parametrize("text", ["a,b", " a , b ", '["a", "b"]'])
def test_sources_are_a_list_however_written(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """People write commas, programs JSON."""
    monkeypatch.setenv("SLIPAWAY_TOPICS__SOURCES", text)
    assert load().topics.sources == ("a", "b")


def test_every_error_is_told_at_once_with_its_name_and_the_way_out() -> None:
    """Whoever fixes settings wants to start the worker once, not ten times."""
    with pytest.raises(SettingsError) as caught:
        load(nested(["partitions=x", "clock=moon", "topics.usag=u", "security.protocol=SASL_SSL"]))
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 4
    assert "partitions: Input should be a valid integer" in problems
    assert "SLIPAWAY_PARTITIONS" in problems
    assert "clock: Input should be 'wall' or 'event' (got 'moon')" in problems
    assert "topics.usag: there is no such setting; did you mean topics.usage?" in problems
    assert "SASL_SSL needs sasl_username" in problems


def test_what_would_only_show_under_load_is_refused(tmp_path: Path) -> None:
    """Combinations, files that are not there, one topic for two purposes."""
    wrong = ["checkpoint_interval_seconds=20", "rebalance_timeout_seconds=5", f"policy={tmp_path}"]
    with pytest.raises(SettingsError) as caught:
        load(nested(wrong))
    (problem,) = caught.value.problems
    assert "checkpoint_interval_max_seconds must be below" in problem
    assert "rebalance_timeout_seconds must be at least" in problem
    assert "is not a file" in problem
    with pytest.raises(SettingsError, match="is named twice"):
        load(nested(["topics.alerts=slipaway.usage"]))


@pytest.mark.parametrize("text", ["partitions = = 3", 'bootstrap_servers = "nohost"', "bad = 1"])
def test_a_wrong_file_is_a_settings_error(text: str, tmp_path: Path) -> None:
    """TOML that does not parse is as much a mistake as a wrong value."""
    file = tmp_path / "slipaway.toml"
    file.write_text(text)
    with pytest.raises(SettingsError):
        load(config=file)
    with pytest.raises(SettingsError, match="no such settings file"):
        load(config=tmp_path / "none.toml")


def test_a_flag_without_a_value_is_refused() -> None:
    """`--set partitions` says nothing."""
    with pytest.raises(SettingsError, match="write it as name=value"):
        nested(["partitions"])


def test_the_password_comes_from_its_file_and_is_never_shown(tmp_path: Path) -> None:
    """Secrets are mounted as files, and `config show` is pasted into tickets."""
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    flags = ["security.protocol=SASL_SSL", "security.sasl_username=u"]
    settings = load(nested([*flags, f"security.password_file={file}"]))
    assert settings.security.password() == "hunter2"
    settings = load(nested([*flags, "security.sasl_password=hunter2"]))
    assert settings.security.password() == "hunter2"
    assert "hunter2" not in str(redacted(settings))
    assert "hunter2" not in repr(settings)


def test_a_wrong_security_section_does_not_repeat_the_password() -> None:
    """Errors go to logs."""
    with pytest.raises(SettingsError) as caught:
        load(nested(["security.sasl_password=hunter2", "security.cert_file=/none"]))
    assert "cert_file and key_file come together" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_knob_says_what_turning_it_does() -> None:
    """A knob without words is a guess."""
    assert [name for name, words in knobs() if not words] == []


def test_kubernetes_service_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service called "slipaway" puts these into every pod beside it."""
    monkeypatch.setenv("SLIPAWAY_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("SLIPAWAY_PORT", "tcp://10.0.0.1:80")
    assert load().partitions == 8


SECRETS = {
    "security.sasl_password": "hunter2-password",
    "security.token": "hunter2-token",
    "web_token": "hunter2-web",
}


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    """`config show`, a debugger's repr and a traceback all end up in tickets."""
    assert set(SECRETS) == SECRET
    file = tmp_path / "secret"
    file.write_text("hunter2-file\n")
    more = ["security.protocol=SASL_SSL", "security.sasl_username=u"]
    more += [f"security.password_file={file}", f"web_token_file={file}"]
    settings = load(nested([f"{name}={value}" for name, value in SECRETS.items()] + more))
    assert settings.security.password() == settings.token() == "hunter2-file"
    place = connection(settings)
    tokens = connection(
        load(nested([*more, "security.sasl_mechanism=OAUTHBEARER", "security.token_url=https://x"]))
    ).tokens
    for shown in (
        repr(settings),
        str(settings),
        redacted(settings),
        place,
        tokens,
        settings.security,
    ):
        assert "hunter2" not in f"{shown!r}{shown}"


@pytest.mark.parametrize(
    "wrong",
    [
        "bootstrap_servers=admin:hunter2@broker",
        "bootstrap_servers=SASL_SSL://admin:hunter2@broker:9092",
        "security.token_url=https://id:hunter2@issuer.test/token",
        "security.token_url=http://issuer.test/token?client_secret=hunter2",
        "security.sasl_pasword=hunter2",
        'security={"sasl_password": "hunter2", "protocol": "x"}',
    ],
)
def test_what_is_wrong_is_told_without_the_secret_in_it(wrong: str) -> None:
    """Errors go to logs, and so do tracebacks, with what they were raised from."""
    more = ["security.token=hunter2", "security.sasl_password=hunter2", "partitions=x"]
    with pytest.raises(SettingsError) as caught:
        load(nested([wrong] if wrong.startswith("security={") else [*more, wrong]))
    told = "".join(traceback.format_exception(caught.value))
    assert wrong.partition("=")[0].split(".")[0] in str(caught.value)
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["sasl_mechanism=OAUTHBEARER"], "OAUTHBEARER needs token_url, token_file or token"),
        (
            ["sasl_mechanism=OAUTHBEARER", "token_url=https://x"],
            "token_url needs sasl_username; token_url needs password_file or sasl_password",
        ),
        (["sasl_mechanism=OAUTHBEARER", "token_url=http://x"], "must begin with https://"),
        (["sasl_username=u"], "SASL_SSL needs password_file or sasl_password"),
    ],
)
def test_what_saying_who_we_are_lacks_is_told(given: list[str], words: str) -> None:
    """Now, rather than by the broker."""
    with pytest.raises(SettingsError, match=re.escape(words)):
        load(nested(["security.protocol=SASL_SSL", *(f"security.{one}" for one in given)]))


def test_an_empty_web_token_file_is_refused(tmp_path: Path) -> None:
    """It would ask nobody, where somebody meant that everybody be asked."""
    file = tmp_path / "token"
    file.write_text("\n")
    with pytest.raises(SettingsError, match="it would ask nobody"):
        load(nested([f"web_token_file={file}"]))

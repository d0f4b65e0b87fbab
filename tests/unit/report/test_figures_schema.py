"""The figures of both reports, as their schemas have them."""

import json
from typing import Any

import jsonschema
import pytest
from needs import ROOT
from typer.testing import CliRunner

from stream.cli import cli

CONTRACT = ROOT / "deploy" / "contract"


def schema(of: str) -> dict[str, Any]:
    """Return the schema that stands in the repository."""
    found: dict[str, Any] = json.loads((CONTRACT / f"{of}.v1.schema.json").read_text())
    return found


@pytest.mark.parametrize("of", ["backtest", "replay"])
def test_what_stands_in_the_repository_is_what_the_types_say(of: str) -> None:
    """`just contract` writes it anew."""
    done = CliRunner().invoke(cli, ["contract", "figures", of])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == schema(of)
    jsonschema.Draft202012Validator.check_schema(schema(of))


@pytest.mark.parametrize("of", ["backtest", "replay"])
def test_every_type_says_what_it_is(of: str) -> None:
    """A reader of the figures has nothing else."""
    for name, kind in schema(of)["$defs"].items():
        assert kind["description"], name


def test_fields_that_are_inherited_are_described_too() -> None:
    """A setting is a reading, and more."""
    fields = schema("backtest")["$defs"]["Setting"]["properties"]
    assert "whole horizon" in fields["mean_delay_days"]["description"]

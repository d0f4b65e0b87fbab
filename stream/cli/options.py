"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli import words

Config = Annotated[
    Path | None,
    typer.Option(help="Settings file (TOML).", envvar="SLIPAWAY_CONFIG", show_default=False),
]
Assign = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        autocompletion=words.assignments,
        help="Any setting, before environment and file: --set topics.usage=events."
        " `slipaway config show` lists them.",
    ),
]
Brokers = Annotated[
    str | None,
    typer.Option("--bootstrap-servers", metavar="HOST:PORT", help="Short for --set of that name."),
]
Logs = Annotated[
    list[str],
    typer.Argument(metavar="LOG...", help='JSONL, CSV or Parquet, also packed; "-": stdin.'),
]
SomeLogs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[LOG...]", help='JSONL, CSV or Parquet, also packed; "-": stdin.'),
]
PolicyPath = Annotated[
    Path | None,
    typer.Option("--policy", metavar="POLICY.toml", help="What slipping away means."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]

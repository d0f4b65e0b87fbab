"""The commands: each reads its settings, starts one shell, and turns the outcome to an exit code.

Standard output is data, standard error is talk.  Shells are imported by the command
that needs them: `slipaway --help` must not wait for Kafka's libraries.
"""

import os

import typer

from stream.cli import dlq, erase, explain, live, logs, out, policies, reread, see, top

cli = typer.Typer(
    name="slipaway",
    help="Tells which customers are slipping away, from the usage events already in Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for commands in (live, policies, logs, explain, out, see, erase, dlq, reread, top):
    cli.add_typer(commands.cli)


def main() -> None:
    """Run the command line."""
    # Matrices of forty columns: more threads take longer, and may round differently.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    cli()

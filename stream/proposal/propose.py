"""Propose: from a log to the text of a policy that fits it."""

from collections.abc import Sequence
from pathlib import Path

from stream.proposal.columns import NoColumnError, guess
from stream.proposal.sample import sample
from stream.proposal.text import mapping_text, policy_text
from stream.proposal.use import use
from stream.replay.errors import LogError
from stream.replay.refusals import Refusals
from stream.replay.run import Watcher, read_in_order
from stream.wire import policy_file


def propose(
    files: Sequence[str], *, received_at: int, refusals: Refusals, watcher: Watcher | None = None
) -> str:
    """Give the text of a policy for these logs, of one form; it is valid.

    LogError: they cannot be read, or no column can be what is needed.
    """
    found = sample(files[0])
    try:
        columns = None if found.known else guess(found.columns)
    except NoColumnError as error:
        raise LogError(f"{files[0]}: {error}. Write a [[mapping]] by hand.") from error
    lines = [] if columns is None else [*mapping_text(columns)]
    if found.delimiter:
        lines += ["[log]", f'delimiter = "{found.delimiter}"']
    draft = policy_file.parse("\n".join(lines).replace("\t", "\\t"), files[0])
    batches = read_in_order(
        files, draft, received_at=received_at, refusals=refusals, watcher=watcher
    )
    seen = use(batches, whole_days=columns is not None and columns.whole_days)
    if not seen.events:
        raise LogError(f"{files[0]}: no row could be used: write a [[mapping]] by hand.")
    text = (
        "\n".join(
            policy_text(
                ", ".join(Path(file).name for file in files), seen, columns, found.delimiter
            )
        )
        + "\n"
    )
    policy_file.parse(text, "the proposal")
    return text

"""Where to connect and how to run: every knob, its unit, its default and what turning it does.

What slipping away *means* is in the policy file; this is only about the machine
room.  A knob is set by a flag, an environment variable or the TOML file, in
that order of precedence, and always under one name: `--set topics.usage=u`,
`SLIPAWAY_TOPICS__USAGE=u`, or `usage = "u"` below `[topics]`.  Everything that
is wrong is reported at once, each with what to do about it.

Environment variables with our prefix that name no knob are left alone:
Kubernetes itself sets some (`SLIPAWAY_SERVICE_HOST`) in every pod beside a
service called "slipaway".
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zlib import crc32

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stream.security import Security, secret

PREFIX = "SLIPAWAY_"
CONFIG_VARIABLE = "SLIPAWAY_CONFIG"

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SettingsError(Exception):
    """The settings cannot be used as they are; `problems` says all that is wrong, one a line."""

    def __init__(self, problems: list[str]) -> None:
        """Keep every problem: whoever fixes them wants to start the worker once, not ten times."""
        super().__init__("\n".join(problems))
        self.problems = problems


def _by_comma(value: object) -> object:
    """Take "a,b" for a list, as people write it, and ["a", "b"], as programs do."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        return tuple(json.loads(value))
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class Topics(BaseModel):
    """Names of the Kafka topics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: Annotated[tuple[TopicName, ...], NoDecode, BeforeValidator(_by_comma)] = Field(
        default=(),
        description="Raw event topics, in any supported form and with any key; each is re-keyed by"
        " customer into `usage`. Empty: only `usage` is read. They must exist.",
    )
    usage: TopicName = Field(
        default="slipaway.usage",
        description="What the detector reads, keyed by customer with Kafka's default partitioner."
        " A topic of yours that is keyed so already needs no ingest: name it here.",
    )
    alerts: TopicName = Field(default="slipaway.alerts", description="Alerts, keyed by customer.")
    holdout: TopicName = Field(
        default="slipaway.holdout",
        description="Alerts on customers in the policy's holdout: recorded, not to be acted on.",
    )
    customers: TopicName = Field(
        default="slipaway.customers",
        description="The latest alert of every customer who ever had one, compacted, keyed by"
        " customer: how everybody stands now, in the form of `alerts`.",
    )
    account_alerts: TopicName = Field(
        default="slipaway.account-alerts",
        description="Alerts on accounts, keyed by account, where the policy looks at them"
        " ([accounts] enabled): a topic of their own, since they name no customer.",
    )
    account_holdout: TopicName = Field(
        default="slipaway.account-holdout",
        description="Alerts on accounts in the policy's holdout: recorded, not to be acted on.",
    )
    accounts: TopicName = Field(
        default="slipaway.accounts",
        description="The latest alert of every account that ever had one, compacted, keyed by"
        " account: how all of them stand now, in the form of `account_alerts`.",
    )
    retention: TopicName = Field(
        default="slipaway.retention",
        description="Who stayed, period by period: each partition's counts, compacted. No record"
        " names a customer.",
    )
    members: TopicName = Field(
        default="slipaway.members",
        description="What accounts are told of their members, keyed by account: a record a visit.",
    )
    accounts_state: TopicName = Field(
        default="slipaway.accounts-state",
        description="What is known of every account, compacted.",
    )
    state: TopicName = Field(
        default="slipaway.state",
        description="What is known of every customer, compacted. Losing it means starting over.",
    )
    ingest_state: TopicName = Field(
        default="slipaway.ingest-state",
        description="How far each raw source has been read, compacted; the source's name is"
        " appended.",
    )
    examples: TopicName = Field(
        default="slipaway.examples", description="Matured landmarks: what the trainer learns from."
    )
    trainer_state: TopicName = Field(
        default="slipaway.trainer-state", description="The trainer's own state, compacted."
    )
    model: TopicName = Field(
        default="slipaway.model", description="Model snapshots, one a version, compacted."
    )
    dead_letters: TopicName = Field(
        default="slipaway.dead-letters", description="What could not be used, byte for byte."
    )
    endpoints: TopicName = Field(
        default="slipaway.endpoints",
        description="Which endpoints of `deliver` have said that they want nothing any more,"
        " compacted.",
    )

    @model_validator(mode="after")
    def _one_purpose_a_topic(self) -> Self:
        """Refuse two purposes in one topic: the one would read the other's records as its own."""
        names = [*self.sources, *(getattr(self, name) for name in OWN_TOPICS)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice; give every topic one purpose")
        return self


OWN_TOPICS = tuple(name for name in Topics.model_fields if name != "sources")


class Settings(BaseSettings):
    """Every knob of a worker."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        nested_model_default_partial_update=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # tracebacks are logged, and the input may be a password
    )

    bootstrap_servers: Annotated[str, Field(pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")] = Field(
        default="127.0.0.1:9092", description="Brokers to ask first: host:port, comma-separated."
    )
    security: Security = Security()
    topics: Topics = Topics()

    app_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = Field(
        default="slipaway",
        description="Names the consumer group and the transactions. Workers that share it share"
        " the work; a new one, with new state topics, starts from the beginning of the log.",
    )
    instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$")] = Field(
        default="",
        description="Names this worker for static membership: it must differ between workers and"
        " survive a restart (a StatefulSet's pod name does). Two with one name fence each other in"
        " turns. A hash of the topics it reads is put behind it. Empty: made of app_id and the"
        " host's name, which allows one worker a host.",
    )
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=8,
        description="Partitions of the topics that are created; the most workers that can share"
        " the work. It cannot be changed later without a replay into a new app_id.",
    )
    replication: Annotated[int, Field(ge=0, le=16)] = Field(
        default=0,
        description="Copies of each partition of the topics that are created; 0: as many as the"
        " broker's default.replication.factor. Fewer than 3 lose data with a broker.",
    )
    usage_retention_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=30.0,
        description="How long `usage` and `members` are kept once created; 0: for ever. Shorter"
        " than a worker's longest outage loses events. Replays need no more: Kafka goes by the"
        " time a record was sent, and `replay --to-topic` sends with the present time, however old"
        " the event.",
    )

    policy: Path | None = Field(
        default=None,
        description="The policy file: what slipping away means. Unset: the built-in defaults.",
    )
    clock: Literal["wall", "event"] = Field(
        default="wall",
        description='"wall": while a partition is caught up, the clock on the wall carries its'
        ' watermark, so that silence is noticed when it happens. "event": only events and'
        " heartbeats do, for replays and simulations.",
    )
    model: Literal["learn", "pinned"] = Field(
        default="learn",
        description='"learn": one worker trains on what matures and publishes a snapshot an event'
        ' day. "pinned": snapshots already in the model topic are used as they are, and nothing'
        " is learned.",
    )

    checkpoint_interval_seconds: Seconds = Field(
        default=0.025,
        description="Between two transactions that publish a partition's alerts, at least. Longer:"
        " alerts come later; shorter: more small transactions for the brokers. Under load the pause"
        " grows by itself, to half of the time.",
    )
    checkpoint_interval_max_seconds: Seconds = Field(
        default=1.0,
        description="Between two transactions that save a partition's customers. Longer: a"
        " customer busy for long is written less often, restarts repeat more.",
    )
    tick_interval_seconds: Seconds = Field(
        default=0.1,
        description="Between two looks at due silences. Longer: later alerts; shorter: more idle"
        " work.",
    )
    alerts_max_age_seconds: Seconds = Field(
        default=86_400.0,
        description="An alert whose time is longer ago than this, by the wall clock, is news to"
        " nobody: it is counted and held back, unless publish_backfill is on.",
    )
    publish_backfill: bool = Field(
        default=False,
        description="Publish alerts older than alerts_max_age_seconds too, marked as backfill.",
    )

    failing_share_max: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="The worker stops if more than this share of a topic's recent input cannot be"
        " used: then the mapping is wrong, not the events. 1: never stops.",
    )
    failing_window_events: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="How many events count as recent for failing_share_max."
    )
    failing_events_min: Annotated[int, Field(ge=1)] = Field(
        default=1_000,
        description="Failures below this number never stop the worker, whatever their share.",
    )
    failing_per_minute_max: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="The worker stops if more than so many records of one minute, by Kafka's time,"
        " of one partition become dead letters, whatever their share: whoever is not bad input is"
        " then held up, too. 0: no such cap.",
    )

    web_host: str = Field(
        default="127.0.0.1",
        description="Where /metrics, /healthz and /readyz listen. 0.0.0.0 shows them to the"
        " network; they hold no customer ids.",
    )
    web_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=8080, description="0: any free port; the log says which."
    )
    web_token: SecretStr = Field(
        default=SecretStr(""),
        description="Asked of whoever wants /metrics (`Authorization: Bearer ...`); /healthz and"
        " /readyz are for everybody. Empty: nobody is asked. Never printed. A file is better.",
    )
    web_token_file: Path | None = Field(
        default=None, description="Holds web_token; its last line break is dropped."
    )

    session_timeout_seconds: Seconds = Field(
        default=10.0,
        description="A worker silent for so long loses its partitions. Longer: others take over"
        " later; shorter: a pause of the machine costs a restore.",
    )
    rebalance_timeout_seconds: Seconds = Field(
        default=30.0, description="How long the group waits for a member to hand its work over."
    )
    checkpoint_timeout_seconds: Seconds = Field(
        default=15.0,
        description="A transaction slower than this ends the worker; the next one repeats it.",
    )
    stall_timeout_seconds: Seconds = Field(
        default=120.0,
        description="Lag without progress for so long ends the worker, for its supervisor to"
        " start anew.",
    )
    slice_events_max: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1_000,
        description="Most events worked on before transactions, ticks and the web get their turn;"
        " fewer where events take long. Larger: a little faster; smaller: smoother.",
    )
    fetch_bytes_max: Annotated[int, Field(ge=1024, le=1 << 30)] = Field(
        default=4 << 20,
        description="Most bytes of one partition fetched at once. Larger: faster catching up, more"
        " memory.",
    )
    dead_letter_bytes_max: Annotated[int, Field(ge=1 << 20, le=90 << 20)] = Field(
        default=32 << 20,
        description="Largest record the dead-letter topic takes, once created. It must exceed the"
        " max.message.bytes of every source, or one huge event stops its partition.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="debug names customers; nothing above it does, unless log_customers says so.",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description='Of standard error. "auto": text on a terminal, else JSON.'
    )
    log_episodes: bool = Field(
        default=True,
        description="A line in the log for every alert once it can be read: what, of which episode,"
        " and where it stands. Off where a replay says millions.",
    )
    log_customers: Literal["hash", "plain", "none"] = Field(
        default="hash",
        description='How these lines name customers and accounts. "hash": by a pseudonym, made with'
        ' app_id: whoever knows both can make it, too. "plain": by id. "none": not at all.',
    )

    traces: Literal["off", "otlp"] = Field(
        default="off",
        description='"otlp": spans of turns, transactions and alerts go to an OpenTelemetry'
        " collector; alerts carry traceparent. Needs slipaway[otel]; the standard variables OTEL_*"
        " say where to and how many. More than a few in a hundred cost CPU under load.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse combinations that would only show under load."""
        problems = []
        longest = max(self.checkpoint_interval_seconds, self.checkpoint_interval_max_seconds)
        if longest >= self.checkpoint_timeout_seconds:
            problems.append(
                "checkpoint_interval_seconds and checkpoint_interval_max_seconds must be below"
                " checkpoint_timeout_seconds"
            )
        if self.rebalance_timeout_seconds < self.checkpoint_timeout_seconds:
            problems.append(
                "rebalance_timeout_seconds must be at least checkpoint_timeout_seconds: work is"
                " saved before it is handed over"
            )
        if self.failing_events_min > self.failing_window_events:
            problems.append("failing_events_min must not exceed failing_window_events")
        for name in ("policy", "web_token_file"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                problems.append(f"{name}: {path} is not a file")
        if self.web_token_file is not None and self.web_token_file.is_file() and not self.token():
            problems.append(f"web_token_file: {self.web_token_file} is empty: it would ask nobody")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def instance(self) -> str:
        """Name this worker in its group."""
        return self.instance_id or f"{self.app_id}-{socket.gethostname()}"

    def token(self) -> str:
        """Say what is asked of whoever wants /metrics; the file's, if there is one."""
        return secret(self.web_token, self.web_token_file)

    def member(self, *, accounts: bool = False) -> str:
        """Name this worker as a member of its group: by its instance, and by what it reads.

        `accounts`: the policy looks at accounts.

        A member that comes back under its name within the session is given the
        partitions it had, whatever it asks for: a source that was added meanwhile
        would be read by nobody.  Who reads something else is somebody else.
        """
        reads = [*self.topics.sources, self.topics.usage]
        reads += [self.topics.examples] * (self.model == "learn")
        reads += [self.topics.members] * accounts
        return f"{self.instance}.{crc32(chr(0).join(reads).encode()):08x}"

    @classmethod
    def settings_customise_sources(  # noqa: D102 - pydantic-settings' own
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env: nobody finds it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - password_file does it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = cls.model_config.get("toml_file")
        sources = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls)) if file else sources


def load(flags: Mapping[str, Any] | None = None, config: Path | None = None) -> Settings:
    """Read the settings from `flags` (nested), the environment and the TOML file.

    The file is `config`, else what SLIPAWAY_CONFIG names, else none.
    Raises `SettingsError` with everything that is wrong.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    path = config or (Path(named) if named else None)
    if path is not None and not path.is_file():
        raise SettingsError(
            [f"{path}: there is no such settings file (--config, {CONFIG_VARIABLE})"]
        )

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return (Settings if path is None else FromFile)(**(flags or {}))
    except ValidationError as error:
        raise SettingsError([_say(details) for details in error.errors()]) from error
    except ValueError as error:  # TOML that does not parse, a source that cannot be read
        where = f"{path}: " if path is not None else ""
        raise SettingsError([f"{where}{error}"]) from error


def nested(assignments: list[str]) -> dict[str, Any]:
    """Turn `["topics.usage=u", "partitions=4"]` into nested flags."""
    flags: dict[str, Any] = {}
    problems = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            problems.append(f"--set {assignment}: write it as name=value")
            continue
        *groups, knob = name.strip().split(".")
        level = flags
        for group in groups:
            level = level.setdefault(group, {})
        level[knob] = value
    if problems:
        raise SettingsError(problems)
    return flags


def redacted(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain values, without what is secret."""
    values = settings.model_dump(mode="json")
    values["instance_id"] = settings.instance
    return values


def knobs(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, str]]:
    """List every knob by its dotted name, with its description."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from knobs(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or ""


def _secret(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """List the knobs whose values are shown to nobody."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _secret(field.annotation, f"{prefix}{name}.")
        elif field.annotation is SecretStr:
            yield f"{prefix}{name}"


SECRET = frozenset(_secret())


def _say(details: ErrorDetails) -> str:
    """Say what is wrong with one knob, under the three names it can be set by, and what to do."""
    path = [str(part) for part in details["loc"] if not isinstance(part, int)]
    names = dict(knobs())
    known = [part for i, part in enumerate(path) if _is_name(path[: i + 1])]
    name = ".".join(known or path)
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "extra_forbidden":
        close = get_close_matches(".".join(path), names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else "`slipaway config show` lists the knobs"
        return f"{'.'.join(path)}: there is no such setting; {hint}"
    if not name:
        return message
    if name not in names:  # a group as a whole: the message names its knobs
        return f"{name}: {message}. See [{name}] in the file, or {PREFIX}{name.upper()}__*."
    variable = PREFIX + name.upper().replace(".", "__")
    given = "" if name in SECRET else f" (got {_harmless(details['input'])!r})"
    return f"{name}: {message}{given}. Set {variable}, or {name} in the file. {names[name]}"


def _harmless(given: object) -> object:
    """Leave out where an address may hold a secret: before its "@", and behind its "?"."""
    if not isinstance(given, str):
        return given
    address, asked, _ = given.partition("?")
    login, at, place = address.rpartition("@")
    return f"{'...@' if login or at else ''}{place}{'?...' if asked else ''}"


def _is_name(path: list[str]) -> bool:
    """Say whether the dotted path is a knob or a group of them."""
    dotted = ".".join(path)
    return any(name == dotted or name.startswith(f"{dotted}.") for name in dict(knobs()))

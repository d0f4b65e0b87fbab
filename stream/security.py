"""Security: how to prove who we are to the brokers, as settings.

What is secret is given by a file, as Docker and Kubernetes mount secrets, or by
the environment; it is never shown, by no command, no error and no log.
"""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

_LOCAL = {"localhost", "127.0.0.1", "::1"}


def secret(given: SecretStr, file: Path | None) -> str:
    """Say what is secret: the file's content, if there is one, without its last line break."""
    if file is not None and file.is_file():
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    return given.get_secret_value()


def _told_to_nobody(url: str) -> str:
    """Refuse an address to which a secret would go in the clear, or that holds one."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a name or a password; these are sasl_username and password_file")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ValueError("it must begin with https://: a secret is sent there")
    return url


class Security(BaseModel):
    """How to prove who we are to the brokers."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How connections are encrypted and authenticated."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="SCRAM-SHA-512",
        description="Only read where the protocol is SASL. OAUTHBEARER: by a token, from token_url,"
        " token_file or token.",
    )
    sasl_username: str = Field(
        default="",
        description="Only read where the protocol is SASL. For token_url, the client's id.",
    )
    sasl_password: SecretStr = Field(
        default=SecretStr(""), description="Never printed. A file is better: see password_file."
    )
    password_file: Path | None = Field(
        default=None,
        description="Holds the SASL password, as Docker and Kubernetes mount secrets; its last"
        " line break is dropped. For token_url, the client's secret.",
    )
    token_url: Annotated[str, AfterValidator(_told_to_nobody)] | None = Field(
        default=None,
        description="Where an OpenID provider gives tokens for client credentials (sasl_username"
        " and the password). Asked again before a token runs out.",
    )
    token_scope: str = Field(default="", description="What token_url is asked for; empty: nothing.")
    token_file: Path | None = Field(
        default=None,
        description="Holds a token that somebody else renews, as Kubernetes projects them; read"
        " anew for each connection.",
    )
    token: SecretStr = Field(
        default=SecretStr(""), description="A token. Never printed. It runs out, so for trials."
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust (PEM). Unset: the system's."
    )
    cert_file: Path | None = Field(default=None, description="Our own certificate (PEM).")
    key_file: Path | None = Field(default=None, description="The key of cert_file (PEM).")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Ask for what the protocol needs now, rather than be refused by the broker later."""
        missing = []
        if self.protocol.startswith("SASL"):
            missing += self._unknown()
        if (self.cert_file is None) != (self.key_file is None):
            missing.append("cert_file and key_file come together")
        missing += [
            f"{name}: {path} is not a file"
            for name in ("password_file", "token_file", "ca_file", "cert_file", "key_file")
            if (path := getattr(self, name)) is not None and not path.is_file()
        ]
        if missing:
            raise ValueError("; ".join(missing))
        return self

    def _unknown(self) -> list[str]:
        """Say what SASL lacks to say who we are."""
        bearer = self.sasl_mechanism == "OAUTHBEARER"
        if bearer and not (self.token_url or self.token_file or self.token.get_secret_value()):
            return ["OAUTHBEARER needs token_url, token_file or token"]
        if bearer and not self.token_url:
            return []
        who = "token_url" if bearer else self.protocol
        missing = [] if self.sasl_username else [f"{who} needs sasl_username"]
        return (
            missing
            if self.password()
            else [*missing, f"{who} needs password_file or sasl_password"]
        )

    def password(self) -> str:
        """Say the SASL password; the file's, if there is one."""
        return secret(self.sasl_password, self.password_file)

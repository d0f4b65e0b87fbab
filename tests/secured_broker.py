"""A real broker that asks who is there: TLS, certificates, passwords, tokens, and access control.

Its plain listener is the administrator's, for the test alone: whoever comes in
there may do anything.  Every other listener lets nobody do what no ACL allows.
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from stream.broker import LocalBroker
from stream.broker.local import HOST, _free_port

NOW = datetime.fromtimestamp(time.time(), UTC)
YESTERDAY = NOW - timedelta(days=1)
TOKENS_FOR = "kafka"  # the audience that the broker asks for
ANN_S_OWN = "ann's own"  # the password of the one user whom the broker's settings name
ISSUER = "https://issuer.test"

_SECURITY = "org.apache.kafka.common.security"
_TLS_LISTENERS = ("SASL_SSL", "CERTIFICATES", "EXPIRED", "ELSEWHERE")
_SCRAM = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
_ITERATIONS = 4096


class Certificates:
    """A certificate authority, and what it issued, as files."""

    def __init__(self, folder: Path) -> None:
        """Make the authority."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.ca = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca))

    def issue(
        self, name: str, *hosts: str, common_name: str | None = None, until: datetime | None = None
    ) -> tuple[Path, Path]:
        """Issue a certificate; return its file and its key's."""
        began = None if until is None else until - timedelta(days=30)
        leaf = self._ca.issue_cert(
            *hosts, common_name=common_name, not_before=began, not_after=until
        )
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        # Kafka reads keys in this form alone.
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        files[1].write_bytes(key_pem)
        (self.folder / f"{name}.both.pem").write_bytes(key_pem + files[0].read_bytes())
        return files


class Issuer:
    """Who signs tokens: JSON Web Tokens, as an OpenID provider does."""

    def __init__(self, folder: Path) -> None:
        """Make a key, and write what it is checked by."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "kid": "1",
            "use": "sig",
            "alg": "RS256",
            "n": _base64(public.n.to_bytes(256, "big")),
            "e": _base64(public.e.to_bytes(3, "big")),
        }
        self.keys = folder / "jwks.json"
        self.keys.write_text(json.dumps({"keys": [key]}))

    def token(self, who: str, seconds: float = 3600, audience: str = TOKENS_FOR) -> str:
        """Sign that `who` asks, for so many seconds."""
        now = int(time.time())
        said = {"sub": who, "iss": ISSUER, "aud": audience, "iat": now, "exp": now + int(seconds)}
        parts = [{"alg": "RS256", "kid": "1"}, said]
        text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), SHA256())
        return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class SecuredBroker:
    """A running broker, what it trusts, and where it listens for whom."""

    local: LocalBroker
    certificates: Certificates
    issuer: Issuer
    places: dict[str, str]
    """Where each listener is: host:port."""

    @property
    def bootstrap(self) -> str:
        """The administrator's entry, without any protection."""
        return self.local.bootstrap

    def by_certificate(self, who: str) -> dict[str, Any]:
        """Return the settings of one who is known by a certificate."""
        cert, key = self.certificates.issue(who, f"{who}@clients.test", common_name=who)
        return {
            "bootstrap_servers": self.places["CERTIFICATES"],
            "security": {
                "protocol": "SSL",
                "ca_file": str(self.certificates.ca),
                "cert_file": str(cert),
                "key_file": str(key),
            },
        }

    def by_password(self, who: str, password: str, mechanism: str) -> dict[str, Any]:
        """Return the settings of one who is known by a password."""
        return {
            "bootstrap_servers": self.places["SASL_SSL"],
            "security": {
                "protocol": "SASL_SSL",
                "ca_file": str(self.certificates.ca),
                "sasl_mechanism": mechanism,
                "sasl_username": who,
                "sasl_password": password,
            },
        }

    def by_token(self, **more: str) -> dict[str, Any]:
        """Return the settings of one who is known by a token."""
        return {
            "bootstrap_servers": self.places["SASL_SSL"],
            "security": {
                "protocol": "SASL_SSL",
                "ca_file": str(self.certificates.ca),
                "sasl_mechanism": "OAUTHBEARER",
                **more,
            },
        }

    async def new_user(self, who: str, mechanism: str) -> dict[str, Any]:
        """Add a user with a password of its own, and return its settings."""
        await self.add_user(who, f"{who}'s own", mechanism)
        return self.by_password(who, f"{who}'s own", mechanism)

    async def add_user(self, who: str, password: str, mechanism: str) -> None:
        """Add a user with a password, as `kafka-configs --add-config SCRAM-...` does."""
        number, digest = _SCRAM[mechanism]
        salt = os.urandom(16)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, _ITERATIONS)
        async with administering(self) as admin:
            answer = await admin._send_request(AlterScram(who, number, salt, salted))
            controller = answer.to_object()["results"]
            assert [result["error_code"] for result in controller] == [0], controller

    async def allow(self, who: str, permissions: Iterable["Acl"]) -> None:
        """Allow exactly this, besides what is allowed already."""
        async with administering(self) as admin:
            for acl in permissions:
                request = CreateAclsRequest(*acl.numbers, f"User:{who}", "*", acl.operation, ALLOW)
                answer = await admin._send_request(request)
                assert [code for code, _ in answer.creation_responses] == [0], (acl, answer)

    async def forbid(self, who: str, permissions: Iterable["Acl"]) -> None:
        """Take back what was allowed."""
        async with administering(self) as admin:
            for acl in permissions:
                request = DeleteAclsRequest(*acl.numbers, f"User:{who}", "*", acl.operation, ALLOW)
                answer = await admin._send_request(request)
                ((code, _, matching),) = answer.filter_responses
                assert (code, len(matching)) == (0, 1), (acl, answer)


ALLOW = 3
_KINDS = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
_OPERATIONS = {
    "READ": 3,
    "WRITE": 4,
    "CREATE": 5,
    "DESCRIBE": 8,
    "DESCRIBE_CONFIGS": 10,
}


@dataclass(frozen=True)
class Acl:
    """One permission in the numbers of Kafka's protocol."""

    numbers: tuple[int, str, int]
    """What kind of thing, its name, and whether the name is whole (3) or a beginning (4)."""
    operation: int

    @classmethod
    def of(cls, kind: str, name: str, operation: str, *, prefixed: bool = False) -> "Acl":
        """Say it in words."""
        return cls((_KINDS[kind], name, 4 if prefixed else 3), _OPERATIONS[operation])


@asynccontextmanager
async def administering(broker: SecuredBroker) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a client that may do anything."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@contextmanager
def secured_broker(folder: Path) -> Iterator[SecuredBroker]:
    """Run a broker that asks who is there."""
    certificates = Certificates(folder / "tls")
    issuer = Issuer(folder)
    certificates.issue("server", HOST, "localhost")
    certificates.issue("expired", HOST, until=YESTERDAY)
    certificates.issue("elsewhere", "broker.elsewhere.test")
    names = ("PLAINTEXT", "CONTROLLER", *_TLS_LISTENERS)
    ports = dict(zip(names, _different_ports(len(names)), strict=True))
    places = {name: f"{HOST}:{port}" for name, port in ports.items()}
    clients = [name for name in names if name != "CONTROLLER"]
    protocols = dict.fromkeys(names, "SSL") | {
        "PLAINTEXT": "PLAINTEXT",
        "CONTROLLER": "PLAINTEXT",
        "SASL_SSL": "SASL_SSL",
    }
    properties = {
        "listeners": ",".join(f"{name}://{places[name]}" for name in names),
        "advertised.listeners": ",".join(f"{name}://{places[name]}" for name in clients),
        "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in protocols.items()),
        "controller.quorum.voters": f"1@{places['CONTROLLER']}",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        **_tls("server", certificates),
        **_tls("expired", certificates, "EXPIRED"),
        **_tls("elsewhere", certificates, "ELSEWHERE"),
        "listener.name.certificates.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
        **_sasl(issuer),
    }
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.keys.as_uri()}"
    with LocalBroker.start(
        port=ports["PLAINTEXT"], properties=properties, java_options=[allowed]
    ) as local:
        yield SecuredBroker(local, certificates, issuer, places)


def _different_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(_free_port())
    return list(ports)


def _tls(name: str, certificates: Certificates, listener: str = "") -> dict[str, str]:
    prefix = f"listener.name.{listener.lower()}." if listener else ""
    return {
        f"{prefix}ssl.keystore.type": "PEM",
        f"{prefix}ssl.keystore.location": str(certificates.folder / f"{name}.both.pem"),
        f"{prefix}ssl.truststore.type": "PEM",
        f"{prefix}ssl.truststore.location": str(certificates.ca),
    }


def _sasl(issuer: Issuer) -> dict[str, str]:
    prefix = "listener.name.sasl_ssl"
    plain = f'{_SECURITY}.plain.PlainLoginModule required user_ann="{ANN_S_OWN}";'
    scram = f"{_SECURITY}.scram.ScramLoginModule required;"
    bearer = f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;"
    return {
        f"{prefix}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        f"{prefix}.plain.sasl.jaas.config": plain,
        f"{prefix}.scram-sha-256.sasl.jaas.config": scram,
        f"{prefix}.scram-sha-512.sasl.jaas.config": scram,
        f"{prefix}.oauthbearer.sasl.jaas.config": bearer,
        f"{prefix}.oauthbearer.sasl.server.callback.handler.class": (
            f"{_SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"
        ),
        # By default Kafka 4.1.0 looks at no signature and no audience here: the tests show it.
        f"{prefix}.sasl.oauthbearer.jwt.validator.class": (
            f"{_SECURITY}.oauthbearer.BrokerJwtValidator"
        ),
        f"{prefix}.sasl.oauthbearer.jwks.endpoint.url": issuer.keys.as_uri(),
        f"{prefix}.sasl.oauthbearer.expected.audience": TOKENS_FOR,
        f"{prefix}.sasl.oauthbearer.expected.issuer": ISSUER,
    }


class AlterUserScramCredentialsResponseV0(Response):
    """What became of each user."""

    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterUserScramCredentialsRequestV0(RequestStruct):
    """Users, and what their passwords are checked by."""

    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = AlterUserScramCredentialsResponseV0
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(
                ("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)
            ),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterScram(Request[AlterUserScramCredentialsRequestV0]):
    """Adds one user: aiokafka has no such request."""

    API_KEY = 51

    def __init__(self, who: str, mechanism: int, salt: bytes, salted: bytes) -> None:
        """Add this one."""
        self._upsertion = (who, mechanism, _ITERATIONS, salt, salted, {})

    def build(
        self, request_struct_class: type[AlterUserScramCredentialsRequestV0]
    ) -> AlterUserScramCredentialsRequestV0:
        """Return it as it is sent."""
        return request_struct_class([], [self._upsertion], {})

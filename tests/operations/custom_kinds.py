"""The kinds that operators bring: as much of their schemas as we use, and nothing beside it.

A field that is misspelt there is dropped by the API server without a word; so what is
not named here is refused.
"""

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m|h|d)$"}
NAMES = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT = {"type": "integer", "minimum": 0}


def only(required: tuple[str, ...], **properties: Schema) -> Schema:
    """Return the schema of an object that has these properties, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def each(items: Schema) -> Schema:
    """Return the schema of a list that holds something."""
    return {"type": "array", "items": items, "minItems": 1}


def kind(api: str, name: str, spec: Schema) -> Schema:
    """Return the schema of a kind."""
    metadata = only(("name",), name={"type": "string"}, namespace={"type": "string"}, labels=NAMES)
    whole = only(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion={"const": api},
        kind={"const": name},
        metadata=metadata,
        spec=spec,
    )
    Draft202012Validator.check_schema(whole)
    return whole


TEXT: Schema = {"type": "string", "minLength": 1}
RULE: Schema = {
    "oneOf": [
        only(("record", "expr"), record={"type": "string", "pattern": "^[a-z0-9_:]+$"}, expr=TEXT),
        only(
            ("alert", "expr"),
            alert=TEXT,
            expr=TEXT,
            **{"for": DURATION},
            labels=NAMES,
            annotations=NAMES,
        ),
    ]
}
SCALING: Schema = only(
    ("policies",),
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=each(
        only(
            ("type", "value", "periodSeconds"),
            type={"enum": ["Pods", "Percent"]},
            value={"type": "integer", "minimum": 1},
            periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
        )
    ),
)
KINDS = {
    "ServiceMonitor": kind(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        only(
            ("selector", "endpoints"),
            selector=only((), matchLabels=NAMES),
            endpoints=each(
                only(("port",), port=TEXT, path=TEXT, interval=DURATION, scrapeTimeout=DURATION)
            ),
        ),
    ),
    "PrometheusRule": kind(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        only(("groups",), groups=each(only(("name", "rules"), name=TEXT, rules=each(RULE)))),
    ),
    "ScaledObject": kind(
        "keda.sh/v1alpha1",
        "ScaledObject",
        only(
            ("scaleTargetRef", "triggers"),
            scaleTargetRef=only(
                ("name",), apiVersion=TEXT, kind={"const": "StatefulSet"}, name=TEXT
            ),
            minReplicaCount=COUNT,
            maxReplicaCount=COUNT,
            pollingInterval=COUNT,
            cooldownPeriod=COUNT,
            advanced=only(
                (),
                horizontalPodAutoscalerConfig=only(
                    (), behavior=only((), scaleUp=SCALING, scaleDown=SCALING)
                ),
            ),
            triggers=each(
                only(
                    ("type", "metadata"),
                    type={"const": "kafka"},
                    # Of text all of them, numbers and truth, too: KEDA takes nothing else.
                    metadata=only(
                        ("bootstrapServers", "consumerGroup", "topic", "lagThreshold"),
                        bootstrapServers=TEXT,
                        consumerGroup=TEXT,
                        topic=TEXT,
                        lagThreshold={"type": "string", "pattern": r"^\d+$"},
                        offsetResetPolicy={"enum": ["earliest", "latest"]},
                        allowIdleConsumers={"enum": ["true", "false"]},
                    ),
                )
            ),
        ),
    ),
}


def problems(thing: dict[str, Any]) -> list[str]:
    """Say what is wrong with an object of such a kind."""
    validator = Draft202012Validator(KINDS[thing["kind"]])
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(thing)]

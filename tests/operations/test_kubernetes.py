"""The manifests: what an API server would take, what fits together, what a worker would read."""

import copy
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from custom_kinds import KINDS, problems
from kubelet import KUBERNETES, Cluster, Object, composed, pod, pods_of
from needs import ROOT
from programs import RULES

from stream.delivery import endpoints
from stream.settings import PREFIX, Settings, knobs, load

OLDEST, NEWEST = "1.30", "1.35"
"""The releases of Kubernetes whose schemas the manifests are held against."""
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n"
SECRETS = {
    "slipaway-kafka": {"password": "secret\n", "ca.crt": CERTIFICATE},
    "slipaway-endpoints": {"crm": "whsec_" + "c2xpcGF3YXktc2xpcGF3YXktc2xpcGF3YXk="},
    "slipaway-console": {"token": "sesame\n"},
}
"""What the example says somebody else brings to the cluster."""
WORKLOADS = ("StatefulSet", "Deployment", "Job")
SELECTED = ("StatefulSet", "Deployment", "PodDisruptionBudget", "Service", "NetworkPolicy")
KNOBS = {PREFIX + name.upper().replace(".", "__") for name, _ in knobs()}


@pytest.fixture(scope="module")
def example() -> Cluster:
    """Return the example of a cluster."""
    return Cluster(KUBERNETES / "overlays" / "example")


@pytest.fixture
def whole(tmp_path: Path) -> Cluster:
    """Return everything there is, all components at once."""
    parts = ("deliverer", "console", "secured", "prometheus", "keda")
    return composed(
        tmp_path / "whole", *parts, settings={"SLIPAWAY_SECURITY__SASL_USERNAME": "slipaway"}
    )


def refusal(thing: Object, version: str) -> str:
    """Return why an API server of a release would not take an object; empty: it would."""
    if thing["kind"] in KINDS:
        return "; ".join(problems(thing))
    try:
        kubernetes_validate.validate(thing, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return ""


def name_of(thing: Object) -> str:
    """Return what an object is called."""
    return f"{thing['kind']} {thing['metadata']['name']}"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_an_api_server_would_take_everything(
    example: Cluster, whole: Cluster, version: str
) -> None:
    """By the schemas of its release; a field that is unknown there is refused, not dropped."""
    for thing in (*example.objects, *whole.objects):
        assert refusal(thing, version) == "", name_of(thing)
    assert {thing["kind"] for thing in whole.objects} >= {*WORKLOADS, *SELECTED, *KINDS}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("StatefulSet", ("spec", "template", "spec", "containers", 0, "livenesProbe")),
        ("PodDisruptionBudget", ("spec", "maxUnavailible")),
        ("ServiceMonitor", ("spec", "endpoints", 0, "ports")),
        ("ScaledObject", ("spec", "maxReplicas")),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "expression")),
    ],
)
def test_what_is_misspelt_is_refused(whole: Cluster, kind: str, path: tuple[Any, ...]) -> None:
    """Else the test above says nothing."""
    thing = copy.deepcopy(whole.of(kind)[0])
    place: Any = thing
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = {}
    assert refusal(thing, NEWEST)


def test_rules_are_those_of_the_one_file(whole: Cluster) -> None:
    """`just rules` writes them; whoever changes one copy only is told so here."""
    (rules,) = whole.of("PrometheusRule")
    assert rules["spec"] == yaml.safe_load(RULES.read_text(encoding="utf-8"))


def test_every_variable_is_a_setting_and_every_setting_is_valid(
    whole: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that names no knob is left alone by the settings: nobody would notice."""
    for thing in whole.of(*WORKLOADS):
        one = pod(whole, thing, "slipaway-0", tmp_path / name_of(thing), SECRETS)
        ours = {name: text for name, text in one.environment.items() if name.startswith(PREFIX)}
        assert set(ours) <= KNOBS
        with monkeypatch.context() as patch:
            for name, text in ours.items():
                patch.setenv(name, text)
            settings = load()
        assert settings.web_host == "0.0.0.0"  # noqa: S104 - else no probe would reach it
        assert settings.security.password() == "secret"
        assert settings.instance_id == ("slipaway-0" if thing["kind"] == "StatefulSet" else "")


def test_what_may_be_delivered_to_is_readable(whole: Cluster, tmp_path: Path) -> None:
    """The file, and the secrets that it names."""
    deployment = whole.one("Deployment", "slipaway-deliver")
    one = pod(whole, deployment, "any", tmp_path / "pod", SECRETS)
    (found,) = endpoints.load(Path(one.command[one.command.index("deliver") + 1]))
    assert found.name == "crm"
    assert found.secrets


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_pod_may_do_nothing_that_it_need_not(whole: Cluster, kind: str) -> None:
    """What the strictest of the Pod Security Standards asks for, and a root that is read-only."""
    for thing in whole.of(kind):
        spec = pods_of(thing)["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        user = spec["securityContext"]["runAsUser"]
        assert f"USER {user}:{user}" in (ROOT / "deploy" / "Dockerfile").read_text()
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert container["resources"]["limits"]["memory"]


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Say whether labels are what a selector asks for."""
    return selector.items() <= labels.items()


def test_selectors_find_the_pods_they_are_about(whole: Cluster) -> None:
    """A budget, a policy or a service of nobody's is no error to Kubernetes."""
    pods = {name_of(one): pods_of(one)["metadata"]["labels"] for one in whole.of(*WORKLOADS)}
    found: dict[str, set[str]] = {}
    for thing in whole.of(*SELECTED):
        spec = thing["spec"]
        selector = spec.get("podSelector") or spec["selector"]
        wanted = selector.get("matchLabels", selector)
        found[name_of(thing)] = {name for name, labels in pods.items() if matches(wanted, labels)}
    worker, deliverer = {"StatefulSet slipaway"}, {"Deployment slipaway-deliver"}
    console = {"Deployment slipaway-console"}
    assert found == {
        "StatefulSet slipaway": worker,
        "Service slipaway": worker,
        "PodDisruptionBudget slipaway": worker,
        "Deployment slipaway-deliver": deliverer,
        "Service slipaway-deliver": deliverer,
        "NetworkPolicy slipaway-deliver": deliverer,
        "Deployment slipaway-console": console,
        "Service slipaway-console": console,
        "NetworkPolicy slipaway-console": console,
        "NetworkPolicy slipaway-asked-by-console": worker,
        "NetworkPolicy slipaway": set(pods),
    }


def test_prometheus_finds_what_answers(whole: Cluster) -> None:
    """Services by their labels, ports by name; the job that the rules ask for is the Service's."""
    (monitor,) = whole.of("ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    (asked,) = monitor["spec"]["endpoints"]
    services = [
        one for one in whole.of("Service") if one["spec"]["ports"][0]["name"] == asked["port"]
    ]
    # The console's has another name: it says nothing to Prometheus, and would be taken for down.
    assert {one["metadata"]["name"] for one in services} == {"slipaway", "slipaway-deliver"}
    for service in services:
        assert matches(wanted, service["metadata"]["labels"])
        (port,) = service["spec"]["ports"]
        (behind,) = [
            one
            for one in whole.of("StatefulSet", "Deployment")
            if matches(service["spec"]["selector"], pods_of(one)["metadata"]["labels"])
        ]
        (container,) = pods_of(behind)["spec"]["containers"]
        (opened,) = container["ports"]
        assert (opened["name"], opened["containerPort"]) == (port["targetPort"], port["port"])


def test_the_console_asks_the_workers_by_their_own_service(whole: Cluster) -> None:
    """And on the port that they open; anything else would be a page that warns for ever."""
    console = whole.one("Deployment", "slipaway-console")
    (container,) = pods_of(console)["spec"]["containers"]
    (asked,) = [word for word in container["args"] if word.startswith("--worker=")]
    service = whole.one("Service", "slipaway")
    (port,) = service["spec"]["ports"]
    assert asked == f"--worker=http://{service['metadata']['name']}:{port['port']}"
    assert service["spec"]["clusterIP"] == "None", "else one worker would answer for all"


def test_scaling_goes_no_further_than_there_are_partitions(whole: Cluster) -> None:
    """And by the group and the topic that the workers have."""
    (scaled,) = whole.of("ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    worker = whole.one("StatefulSet", "slipaway")
    settings = whole.one("ConfigMap", "slipaway-settings")["data"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]
    assert "replicas" not in worker["spec"]
    assert scaled["spec"]["maxReplicaCount"] <= Settings.model_fields["partitions"].default
    assert trigger["metadata"]["consumerGroup"] == settings["SLIPAWAY_APP_ID"]
    assert trigger["metadata"]["topic"] == Settings().topics.usage
    assert trigger["metadata"]["bootstrapServers"].split(":")[0] in str(settings)


def test_a_pod_has_the_time_that_its_worker_takes(whole: Cluster) -> None:
    """To end, and to come back before anybody else takes over its partitions."""
    worker = whole.one("StatefulSet", "slipaway")
    settings = whole.one("ConfigMap", "slipaway-settings")["data"]
    timeout = Settings.model_fields["checkpoint_timeout_seconds"].default
    assert pods_of(worker)["spec"]["terminationGracePeriodSeconds"] >= 2 * timeout
    assert float(settings["SLIPAWAY_SESSION_TIMEOUT_SECONDS"]) >= 30
    assert worker["spec"]["updateStrategy"]["type"] == "RollingUpdate"


def test_a_mounted_policy_can_change(whole: Cluster) -> None:
    """Mounted as a folder, under a name that stays."""
    worker = whole.one("StatefulSet", "slipaway")
    (container,) = pods_of(worker)["spec"]["containers"]
    assert not any("subPath" in mount for mount in container["volumeMounts"])
    names = {thing["metadata"]["name"] for thing in whole.of("ConfigMap")}
    assert "slipaway-policy" in names
    assert any(re.fullmatch(r"slipaway-settings-[a-z0-9]+", name) for name in names)


def test_the_example_names_the_secrets_it_needs(example: Cluster) -> None:
    """They come from elsewhere: there is none among the files, not even for show."""
    needed = {
        volume["secret"]["secretName"]
        for thing in example.of(*WORKLOADS)
        for volume in pods_of(thing)["spec"]["volumes"]
        if "secret" in volume
    }
    assert needed == set(SECRETS)
    assert example.of("Secret") == []
    words = (KUBERNETES / "overlays" / "example" / "kustomization.yaml").read_text()
    assert all(re.search(rf"^#   {name} ", words, re.MULTILINE) for name in needed)

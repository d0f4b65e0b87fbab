"""The manifests, run: the job, a worker and the deliverer, against a real broker."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubelet import MOUNTS, Cluster, Pod, composed, pod, swap
from needs import lacking
from test_kubernetes import SECRETS
from worker_process import get, until

from stream.broker import JarsMissingError, LocalBroker
from stream.doctor.examine import examine
from stream.settings import load
from stream.wire import policy_file

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STARTED_SECONDS_MAX = 120
POLICY = "[slipping]\nvisits_min = 2\n"


@pytest.fixture(scope="module")
def empty_broker() -> Iterator[LocalBroker]:
    """Give a broker without topics: the manifests name them as they are named everywhere."""
    try:
        local = LocalBroker.start()
    except JarsMissingError as error:
        lacking(str(error))
        raise
    with local:
        yield local


@pytest.fixture(scope="module")
def cluster(empty_broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return the manifests as an overlay for this broker would make them."""
    return composed(
        tmp_path_factory.mktemp("overlay") / "here",
        "deliverer",
        "console",
        settings={
            "SLIPAWAY_BOOTSTRAP_SERVERS": empty_broker.bootstrap,
            "SLIPAWAY_REPLICATION": "1",
        },
    )


async def probed(one: Pod, process: subprocess.Popen[bytes]) -> None:
    """Wait until a pod has started, lives and is ready, as its own probes ask."""
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        url = one.probe(kind)
        deadline = time.monotonic() + STARTED_SECONDS_MAX
        while not await asyncio.to_thread(answers, url):
            assert process.poll() is None, one.log.read_text()
            assert time.monotonic() < deadline, one.log.read_text()
            await asyncio.sleep(0.2)


def answers(url: str) -> bool:
    """Say whether a page is there and says that all is well; a console may still be reading."""
    return any(word in get(url, or_else="") for word in ('"alive"', '"ready"', '"reading"'))


async def test_the_job_makes_every_topic_that_a_worker_needs(
    cluster: Cluster, empty_broker: LocalBroker, tmp_path: Path
) -> None:
    """And a worker of the set starts by its own probes, under the name of its pod."""
    job = pod(cluster, cluster.one("Job", "slipaway-topics"), "any", tmp_path / "job", SECRETS)
    with job.running() as process:
        assert await asyncio.to_thread(process.wait, 120) == 0, job.log.read_text()
    made = {line.split()[0] for line in job.log.read_text().splitlines() if " " in line}
    assert {"slipaway.usage", "slipaway.state", "slipaway.alerts"} <= made
    again = pod(cluster, cluster.one("Job", "slipaway-topics"), "any", tmp_path / "again", SECRETS)
    with again.running() as process:  # another release: what is there is left as it is
        assert await asyncio.to_thread(process.wait, 120) == 0, again.log.read_text()

    worker = pod(
        cluster, cluster.one("StatefulSet", "slipaway"), "slipaway-0", tmp_path / "worker", SECRETS
    )
    with worker.running() as process:
        await probed(worker, process)
        found = await examine(load({"bootstrap_servers": empty_broker.bootstrap}))
        (group,) = [one.reason for one in found if one.check == "group"]
        assert "slipaway-0." in group
        policy = worker.home / MOUNTS.lstrip("/") / "policy"
        assert policy_info(worker) == version((policy / "policy.toml").read_text())

        # A ConfigMap that is changed, as the node changes it below a running pod.
        swap(policy, {"policy.toml": POLICY})
        await until(lambda: policy_info(worker) == version(POLICY), 60)
        await probed(worker, process)
        assert process.poll() is None
    assert process.returncode == 0, worker.log.read_text()


async def test_the_deliverer_starts_by_its_own_probes(cluster: Cluster, tmp_path: Path) -> None:
    """With its endpoints from the map, and their secrets from files."""
    deployment = cluster.one("Deployment", "slipaway-deliver")
    one = pod(cluster, deployment, "any", tmp_path / "deliverer", SECRETS)
    with one.running() as process:
        await probed(one, process)
    assert process.returncode == 0, one.log.read_text()


async def test_the_console_starts_by_its_own_probes(cluster: Cluster, tmp_path: Path) -> None:
    """With its token from a file; it answers before there is anything to show."""
    deployment = cluster.one("Deployment", "slipaway-console")
    one = pod(cluster, deployment, "any", tmp_path / "console", SECRETS)
    with one.running() as process:
        await probed(one, process)
        page = await asyncio.to_thread(get, f"http://127.0.0.1:{one.ports['pages']}/health")
        assert page == "A token is needed."
    assert process.returncode == 0, one.log.read_text()


def version(text: str) -> str:
    """Return the version of a policy."""
    return policy_file.parse(text).policy.version


def policy_info(worker: Pod) -> str:
    """Return the version of the policy that a worker says it obeys; empty while it is away."""
    lines = get(f"http://127.0.0.1:{worker.ports['web']}/metrics", or_else="").splitlines()
    return next((line.split('"')[1] for line in lines if line.startswith("slipaway_policy_in")), "")

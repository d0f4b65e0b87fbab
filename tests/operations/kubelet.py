"""What a node makes of our manifests: folders, environment, command, probes, as far as we use them.

A manifest that is only read proves that it can be read.  So pods are run here as
processes: with the volumes laid out as a node lays them out (a folder of links to
a folder that is swapped), and nothing in their environment but what the manifest
says.  Two things differ: paths begin with a folder of the test's, and ports are free
ones.
"""

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from needs import ROOT, lacking
from started import free_ports

KUBERNETES = ROOT / "deploy" / "kubernetes"
MOUNTS = "/etc/slipaway"
"""Below it are all our volumes but for scratch."""

Object = dict[str, Any]


class Cluster:
    """The objects that a kustomization comes to."""

    def __init__(self, folder: Path) -> None:
        """Build it as `kubectl apply --kustomize` does."""
        done = subprocess.run(
            [*builder(), str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.objects: list[Object] = list(yaml.safe_load_all(done.stdout))

    def of(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        """Return the one of a kind with a name; behind some there is a hash."""
        (found,) = [
            thing
            for thing in self.of(kind)
            if re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", thing["metadata"]["name"])
        ]
        return found


def builder() -> list[str]:
    """Return the command that builds a kustomization, or skip the test that needs it."""
    for words in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(words[0]):
            return words
    lacking("neither kubectl nor kustomize is installed: one of them builds the manifests")
    raise AssertionError


def composed(folder: Path, *components: str, settings: Mapping[str, str]) -> Cluster:
    """Build the base with components and settings, as an overlay in `folder` would."""
    folder.mkdir()
    shutil.copy(KUBERNETES / "overlays" / "example" / "endpoints.toml", folder)
    up = Path(os.path.relpath(KUBERNETES, folder.resolve()))
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(up / "base")],
        "components": [str(up / component) for component in components],
        "configMapGenerator": [
            {
                "name": "slipaway-settings",
                "behavior": "merge",
                "literals": [f"{name}={value}" for name, value in settings.items()],
            },
            {"name": "slipaway-endpoints", "files": ["endpoints.toml"]},
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return Cluster(folder)


def pods_of(thing: Object) -> Object:
    """Return what a workload's pods are made by."""
    template: Object = thing["spec"]["template"]
    return template


def swap(folder: Path, files: Mapping[str, str]) -> None:
    """Write a volume as a node does: into a new folder, to which one link is then turned."""
    folder.mkdir(parents=True, exist_ok=True)
    current, new = folder / "..data", folder / f"..{uuid.uuid4().hex}"
    old = current.resolve() if current.exists() else None
    new.mkdir()
    for name, text in files.items():
        (new / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(new.name)
    (folder / "..data_tmp").rename(current)
    if old is not None:
        shutil.rmtree(old)


@dataclass(frozen=True)
class Pod:
    """A pod that could be run here."""

    name: str
    home: Path
    command: list[str]
    environment: dict[str, str]
    ports: dict[str, int]
    container: Object

    def probe(self, kind: str) -> str:
        """Return the address that a probe asks."""
        asked = self.container[kind]["httpGet"]
        return f"http://127.0.0.1:{self.ports[asked['port']]}{asked['path']}"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it; it is ended as a node ends it, and has to end well."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self.command, env=self.environment, cwd=self.home, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def log(self) -> Path:
        """What it said."""
        return self.home / "log"


def pod(
    cluster: Cluster, thing: Object, name: str, home: Path, secrets: Mapping[str, Mapping[str, str]]
) -> Pod:
    """Lay out a pod of a workload in the folder `home`; `secrets` are what the cluster has."""
    spec = pods_of(thing)["spec"]
    (container,) = spec["containers"]
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    free = dict(zip(ports, free_ports(len(ports)), strict=True))
    moved = {str(ports[port]): str(free[port]) for port in ports}

    def here(text: str) -> str:
        return moved.get(text, text.replace(MOUNTS, f"{home}{MOUNTS}"))

    home.mkdir(parents=True)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    for volume in spec["volumes"]:
        if "emptyDir" in volume:
            continue
        files = (
            secrets[volume["secret"]["secretName"]]
            if "secret" in volume
            else cluster.one("ConfigMap", volume["configMap"]["name"])["data"]
        )
        folder = Path(f"{home}{mounts[volume['name']]}")
        swap(folder, {file: here(text) for file, text in files.items()})
    said: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        said |= cluster.one("ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", ()):
        field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        said[variable["name"]] = {"metadata.name": name}[field] if field else variable["value"]
    return Pod(
        name=name,
        home=home,
        # The image's entry point, in the environment that the tests run in.
        command=[sys.executable, "-m", "stream", *map(here, container["args"])],
        environment={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(home),
            **{variable: here(value) for variable, value in said.items()},
        },
        ports=free,
        container=container,
    )

"""A real Prometheus, as the composition has it, but for its ports and what it scrapes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml
from programs import RUNBOOKS, program
from started import free_ports, running


@contextmanager
def prometheus(folder: Path, *, rules: str, jobs: Mapping[str, int]) -> Iterator[str]:
    """Run it with rules, over ports of this machine by the name of their job; give its address."""
    (port,) = free_ports(1)
    (folder / "rules.yml").write_text(rules)
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(folder / "rules.yml")],
                "scrape_configs": [
                    {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{number}"]}]}
                    for job, number in jobs.items()
                ],
            }
        )
    )
    address = f"http://127.0.0.1:{port}"
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.external-url={address}",
        f"--web.console.templates={RUNBOOKS}",
    ]
    with running(command, folder / "prometheus.log", {}):
        yield address

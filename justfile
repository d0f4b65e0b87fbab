# Every command of this repository. With uv alone: `uv run just <recipe>`.

uv := env("UV", "uv")
export := "--quiet --format requirements-txt --no-emit-project --no-dev --no-header"

# list the recipes
default:
    @just --list

# install everything, and have each commit checked
setup:
    {{uv}} sync
    {{uv}} run pre-commit install
    {{uv}} run python -m stream.broker fetch

# put the code in order
fmt:
    {{uv}} run ruff check --fix .
    {{uv}} run ruff format .

# what reads the code without running it
lint: && requirements-agree deploy-valid
    {{uv}} run ruff check .
    {{uv}} run ruff format --check .
    {{uv}} run mypy
    {{uv}} run lint-imports

# the tests that need no broker
test *args:
    {{uv}} run pytest -m "not integration and not fault" {{args}}

# the tests against a real broker, which starts by itself
integration *args:
    {{uv}} run pytest -m integration {{args}}

# the tests that kill and stop processes on purpose; longer: `--rounds 50 --seed 7 --soak-seconds 3600`
fault *args:
    {{uv}} run pytest tests/fault -m fault {{args}}

# what the same faults do to plain faust-streaming, as a table: it judges nothing
fault-stock *args:
    {{uv}} run python tests/fault/stock_tables.py {{args}}

# the figures: they judge nothing, and want a quiet machine; `just bench --quick`
bench *args:
    {{uv}} run python -m tests.bench {{args}}

# event logs in, alerts out: `just replay events.jsonl`
replay *args:
    {{uv}} run slipaway replay {{args}}

# simulated customers, the real worker, alerts on the screen
demo *args:
    {{uv}} run slipaway demo {{args}}

# write requirements.txt anew, after a change of dependencies
requirements:
    {{uv}} export {{export}} --output-file requirements.txt

# write the contract of the alerts, and of reports' figures, anew, after a change of the types
contract:
    {{uv}} run slipaway contract asyncapi > deploy/contract/asyncapi.yaml
    {{uv}} run slipaway contract schema > deploy/contract/alert.v1.schema.json
    {{uv}} run slipaway contract schema --accounts > deploy/contract/account-alert.v1.schema.json
    {{uv}} run slipaway contract figures backtest > deploy/contract/backtest.v1.schema.json
    {{uv}} run slipaway contract figures replay > deploy/contract/replay.v1.schema.json

# write the reference of commands and settings anew, after a change of either
reference:
    {{uv}} run python -m stream.cli.reference docs/reference

# write the rules as the Prometheus operator wants them, after a change of deploy/prometheus/rules.yml
rules:
    @{{just_executable()}} wrapped-rules > deploy/kubernetes/prometheus/rules.yaml

# lead every alert to the runbooks where you keep them: `just runbooks-at https://wiki.your.company/slipaway`
runbooks-at url: && rules
    sed --in-place 's|runbook_url: .*/\(Slipaway[A-Za-z]*\.md\)"$|runbook_url: "{{trim_end_match(url, "/")}}/\1"|' \
        deploy/prometheus/rules.yml

# what `just rules` writes
[private]
wrapped-rules:
    @echo "# Written by 'just rules' from deploy/prometheus/rules.yml: change that one."
    @echo "apiVersion: monitoring.coreos.com/v1"
    @echo "kind: PrometheusRule"
    @echo "metadata:"
    @echo "  name: slipaway"
    @echo "  labels: {app.kubernetes.io/name: slipaway}"
    @echo "spec:"
    @grep -v '^#' deploy/prometheus/rules.yml | sed 's/^\(.\)/  \1/'

# fetch what reads the contract as others do: AsyncAPI's own parser (55 MB; needs Node.js)
asyncapi-parser:
    npm install --silent --ignore-scripts --no-audit --no-fund --no-package-lock \
        --prefix "${XDG_CACHE_HOME:-$HOME/.cache}/slipaway/asyncapi" @asyncapi/parser@3.6.3

# known vulnerabilities of what is shipped; asks the OSV database, so CI does not run it
audit:
    {{uv}} audit --no-dev

# what is shipped, as a CycloneDX 1.5 document: `just sbom > slipaway.cdx.json`
sbom:
    @{{uv}} export --quiet --preview-features sbom-export --format cyclonedx1.5 --no-dev

# requirements.txt is what uv resolves
requirements-agree:
    {{uv}} export {{export}} | diff requirements.txt - || (echo "requirements.txt is not what uv resolves: run just requirements" && exit 1)

# the image and the services are well-formed
deploy-valid:
    {{uv}} run hadolint deploy/Dockerfile
    {{uv}} run check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
    @{{just_executable()}} wrapped-rules | diff deploy/kubernetes/prometheus/rules.yaml - || (echo "deploy/kubernetes/prometheus/rules.yaml is not deploy/prometheus/rules.yml: run just rules" && exit 1)

# what CI runs: everything but the figures, on two cores at once
check: lint
    {{uv}} run pytest -n 2 --durations=40

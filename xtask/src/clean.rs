//! Removes what `run` keeps.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::setup;

/// Removes the state folder's content except the installed tools, and a database that had to lie elsewhere.
pub(crate) fn state(root: &Path) -> Result<()> {
    let state = root.join(std::env::var_os("WEIR_STATE_DIR").unwrap_or_else(|| ".weir".into()));
    if let Ok(lock) = File::open(state.join("lock"))
        && let Err(TryLockError::WouldBlock) = lock.try_lock()
    {
        bail!("{} is in use: stop `make run` first", state.display());
    }
    // Postgres of a run by root, where the repository is closed to other accounts.
    let elsewhere = state.join("postgres-is-here");
    if let Ok(folder) = fs::read_link(&elsewhere) {
        remove(&folder)?;
    }
    let tools = setup::tools(root);
    for entry in fs::read_dir(&state).into_iter().flatten() {
        let path = entry?.path();
        if path != tools {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| path.display().to_string())
}

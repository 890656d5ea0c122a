//! What is kept in the state folder: the lock, the secrets of the first run, and `run.json`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The state folder, held by this process alone.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    /// Closing it lets the next one in.
    _lock: File,
}

/// Made on the first run and kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Password of the own Postgres' only user.
    pub postgres_password: String,
    /// The first platform admin.
    pub admin_email: String,
    /// Its password.
    pub admin_password: String,
    /// The data-plane token of the gateway; `None` until the control plane made it.
    pub gateway_token: Option<String>,
    /// `None` until the demo tenant, its models and its key are there.
    pub seeded: Option<Seeded>,
}

/// What the first run put into the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeded {
    /// An API key of the demo tenant.
    pub api_key: String,
    /// A model to try first.
    pub first_model: String,
    /// The demo provider serves, not real ones.
    pub demo: bool,
}

/// `run.json`: where everything is while it runs.
#[derive(Debug, Clone, Serialize)]
pub struct RunFile {
    /// Base URL for apps, without `/v1`.
    pub gateway_url: String,
    /// Base URL of the console, the REST API and its documentation.
    pub console_url: String,
    /// Login of the first platform admin.
    pub admin_email: String,
    /// Its password.
    pub admin_password: String,
    /// An API key of the demo tenant.
    pub api_key: String,
    /// Envoy's admin interface.
    pub envoy_admin_url: String,
    /// Postgres.
    pub database_url: String,
    /// The demo provider; null where real providers serve.
    pub demo_provider_url: Option<String>,
    /// The control plane's gRPC for Envoy, `host:port`.
    pub xds_address: String,
    /// The gateway's data-plane token, which an Envoy started by hand would send.
    pub gateway_token: String,
    /// Process ids; null where the part is not ours.
    pub pids: Pids,
}

/// Process ids of the parts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Pids {
    /// Null with DATABASE_URL.
    pub postgres: Option<u32>,
    /// The `weir` binary.
    pub control_plane: Option<u32>,
    /// Envoy.
    pub envoy: Option<u32>,
    /// Null with real providers.
    pub provider: Option<u32>,
}

impl State {
    /// Makes and locks the folder; an error if another process has it.
    pub fn open(folder: &Path) -> Result<State> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        let path = folder.join("lock");
        let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                lock.read_to_string(&mut owner)?;
                bail!(
                    "{} is in use by process {}; stop it, or set WEIR_STATE_DIR to another folder",
                    folder.display(),
                    owner.trim()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).context(path.display().to_string()),
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        let state = State { folder, _lock: lock };
        state.remove("run.json")?;
        Ok(state)
    }

    /// Absolute path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The secrets, made on the first run.
    pub fn secrets(&self) -> Result<Secrets> {
        let path = self.path(SECRETS);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Secrets {
                    postgres_password: random_text()?,
                    admin_email: "admin@weir.example".into(),
                    admin_password: random_text()?,
                    gateway_token: None,
                    seeded: None,
                };
                self.keep(&secrets)?;
                Ok(secrets)
            }
            Err(error) => Err(error).context(path.display().to_string()),
        }
    }

    /// Stores the secrets for the next run.
    pub fn keep(&self, secrets: &Secrets) -> Result<()> {
        self.write_private(SECRETS, &serde_json::to_vec_pretty(secrets)?)
    }

    /// Path of the control plane's master key (32 random bytes in base64), made on the first run.
    pub fn master_key(&self) -> Result<PathBuf> {
        let path = self.path("master.key");
        if !path.exists() {
            self.write_private("master.key", STANDARD.encode(random_bytes::<32>()?).as_bytes())?;
        }
        Ok(path)
    }

    /// Writes a file that only its owner may read, whole or not at all.
    pub fn write_private(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        let temporary = self.path(&format!("{name}.new"));
        let write = || {
            self.remove(&format!("{name}.new"))?;
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        write().with_context(|| path.display().to_string())
    }

    /// Removes a file if it is there.
    pub fn remove(&self, name: &str) -> std::io::Result<()> {
        match std::fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

const SECRETS: &str = "secrets.json";

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("no random numbers"))?;
    Ok(bytes)
}

/// 144 random bits in 24 characters that need no quoting in a URL or a shell.
fn random_text() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<18>()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let first = state.secrets().unwrap();
        assert_eq!(state.secrets().unwrap().admin_password, first.admin_password);
        assert!(first.admin_password.len() >= 12);
        let key = state.master_key().unwrap();
        let text = std::fs::read_to_string(&key).unwrap();
        assert_eq!(STANDARD.decode(text).unwrap().len(), 32);
        for file in [key, state.path(SECRETS)] {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let _first = State::open(folder.path()).unwrap();
        let error = State::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()) && error.contains("WEIR_STATE_DIR"), "{error}");
    }

    #[test]
    fn an_old_run_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.json"), "{}").unwrap();
        let state = State::open(folder.path()).unwrap();
        assert!(!state.path("run.json").exists());
    }
}

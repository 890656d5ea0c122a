//! Asks the Envoy that is to read a bootstrap.

use std::path::Path;
use std::process::{Command, Output};

use crate::error::InstallError;
use crate::settings::EnvoySettings;

/// The first version that has all that the bootstrap says.
const LEAST: (u16, u16) = (1, 40);
const LEAST_SAID: &str = "1.40";

/// Whether it is new enough and accepts the result. Without an Envoy there is nothing to ask.
pub(crate) fn envoy(settings: &EnvoySettings, bootstrap: &str, notes: &mut Vec<String>) -> Result<(), InstallError> {
    let Some(program) = &settings.envoy else {
        notes.push(format!("Not tried. Envoy must be {LEAST_SAID} or later with V8: --envoy asks it."));
        return Ok(());
    };
    let told = run(program, &["--version"])?;
    let version = version(&String::from_utf8_lossy(&told.stdout)).unwrap_or_default();
    if version_number(&version).is_none_or(|number| number < LEAST) {
        let found = if version.is_empty() { "of an unknown version".to_owned() } else { version };
        return Err(InstallError::TooOld { found, least: LEAST_SAID });
    }
    // Longer than an argument may be. Envoy goes by the ending.
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().map_err(InstallError::NoFile)?;
    std::fs::write(file.path(), bootstrap).map_err(InstallError::NoFile)?;
    let shown = file.path().to_string_lossy();
    let answer = run(program, &["--mode", "validate", "--log-level", "error", "--config-path", &shown])?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        return Err(InstallError::Refused(said.trim().lines().last().unwrap_or("it does not say why").to_owned()));
    }
    Ok(())
}

fn run(program: &Path, arguments: &[&str]) -> Result<Output, InstallError> {
    let started = Command::new(program).args(arguments).output();
    started.map_err(|source| InstallError::NoEnvoy { path: program.to_owned(), source })
}

/// Of `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn version(told: &str) -> Option<String> {
    told.split('/').find(|part| version_number(part).is_some()).map(str::to_owned)
}

fn version_number(version: &str) -> Option<(u16, u16)> {
    let mut parts = version.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_tell_their_version() {
        let told = "\nenvoy  version: 0123abcd/1.40.0/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!(version(told).as_deref(), Some("1.40.0"));
        assert_eq!(version("something else"), None);
        assert!(version_number("1.39.3") < Some(LEAST) && version_number("2.0.0") > Some(LEAST));
    }
}

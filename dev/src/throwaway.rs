//! A Postgres for the length of one command: for tests that need a real database.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use anyhow::{Context, Result, bail};

use crate::ports;
use crate::postgres::Postgres;
use crate::settings::repository;
use crate::tools::Tools;

/// The variable that tells a test where its Postgres is. Its user may create databases.
pub const VARIABLE: &str = "WEIR_TEST_DATABASE_URL";

/// Runs `command` with a fresh Postgres named by [`VARIABLE`], which ends and goes with it. One that is set already is used.
pub async fn with_postgres(tools: PathBuf, command: &[String]) -> Result<ExitStatus> {
    let (program, arguments) = command.split_first().context("no command")?;
    let mut child = tokio::process::Command::new(program);
    child.args(arguments).kill_on_drop(true);
    if std::env::var_os(VARIABLE).is_some_and(|url| !url.is_empty()) {
        return child.status().await.with_context(|| program.clone());
    }
    let folder = tempfile::Builder::new().prefix("weir-postgres-").tempdir().context("no temporary folder")?;
    // Where we are root, Postgres runs as another account and must be able to look into it.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let [port] = ports::choose([("the test database's port", 0)])?;
    let log = folder.path().join("postgres.log");
    let tools = Tools::at(repository()?.join(tools));
    let postgres = Postgres::prepare(&tools, folder.path(), log, port, "test").await?.forgetful();
    let mut process = postgres.start().await?;
    let mut interrupted = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let status = tokio::select! {
        status = child.env(VARIABLE, postgres.url()).status() => status.with_context(|| program.clone()),
        _ = tokio::signal::ctrl_c() => bail_after(&mut process).await,
        _ = interrupted.recv() => bail_after(&mut process).await,
    };
    Postgres::stop(&mut process).await;
    status
}

async fn bail_after(process: &mut crate::process::Process) -> Result<ExitStatus> {
    Postgres::stop(process).await;
    bail!("interrupted")
}

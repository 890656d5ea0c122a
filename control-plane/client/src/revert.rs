//! `weir revert`.

use std::io::Write;

use clap::Args;

use crate::ClientError;
use crate::connection::{Api, ConnectionSettings};
use crate::report::{Outcome, Report};

/// What is undone.
#[derive(Args, Clone, Debug)]
pub struct RevertSettings {
    /// Where.
    #[command(flatten)]
    pub connection: ConnectionSettings,
    /// The change, as the audit log and `weir apply` name it.
    pub revision: u64,
    /// Only tells what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Prints the control plane's answer as it is.
    #[arg(long)]
    pub json: bool,
}

/// Makes the objects of a revision as they were before it, as a new revision, and writes what was done.
pub async fn revert(settings: &RevertSettings, out: &mut impl Write) -> Result<Outcome, ClientError> {
    let api = Api::new(&settings.connection)?;
    let path = format!("revisions/{}/revert", settings.revision);
    let report: Report = api.post(&path, &[("dry_run", settings.dry_run)]).await?;
    report.write(settings.json, settings.dry_run, out)?;
    Ok(report.outcome(settings.dry_run))
}

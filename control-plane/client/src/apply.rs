//! `weir apply`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::ClientError;
use crate::connection::{Api, ConnectionSettings};
use crate::manifest::{self, ManifestObject};
use crate::report::{Outcome, Report};

/// What is applied, and how.
#[derive(Args, Clone, Debug)]
pub struct ApplySettings {
    /// Where to.
    #[command(flatten)]
    pub connection: ConnectionSettings,
    /// A YAML file, or a folder of such; may be given several times.
    #[arg(short, long = "file", required = true, value_name = "FILE|FOLDER")]
    pub files: Vec<PathBuf>,
    /// Only tells what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// The objects are managed under this name by files from now on, and only read elsewhere. By default they are managed by
    /// requests to the API.
    #[arg(long, value_name = "NAME")]
    pub origin: Option<String>,
    /// Deletes what is managed in the same place and the files no longer name, of the kinds and tenants that they name. Never tenants.
    #[arg(long)]
    pub prune: bool,
    /// Takes over what is managed elsewhere.
    #[arg(long)]
    pub adopt: bool,
    /// How many objects may be deleted.
    #[arg(long, default_value_t = 20)]
    pub max_deleted: usize,
    /// Refuses if an object that the files name was changed since this revision.
    #[arg(long)]
    pub base_revision: Option<u64>,
    /// Prints the control plane's answer as it is.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Request<'a> {
    objects: &'a [ManifestObject],
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin<'a>>,
    prune: bool,
    adopt: bool,
    max_deleted: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_revision: Option<u64>,
}

#[derive(Serialize)]
struct Origin<'a> {
    kind: &'static str,
    #[serde(rename = "ref")]
    reference: &'a str,
}

/// Brings the objects of files about, all or nothing, and writes what was done. `variable` reads the environment, for secrets.
pub async fn apply(
    settings: &ApplySettings,
    variable: impl Fn(&str) -> Option<String>,
    out: &mut impl Write,
) -> Result<Outcome, ClientError> {
    let api = Api::new(&settings.connection)?;
    let objects = manifest::read(&settings.files, variable)?;
    let request = Request {
        objects: &objects,
        origin: settings.origin.as_deref().map(|reference| Origin { kind: "file", reference }),
        prune: settings.prune,
        adopt: settings.adopt,
        max_deleted: settings.max_deleted,
        base_revision: settings.base_revision,
    };
    let query = [("dry_run", settings.dry_run)];
    let report: Report = api.post_once("apply", &query, &request).await.map_err(|error| in_files(error, &objects))?;
    report.write(settings.json, settings.dry_run, out)?;
    Ok(report.outcome(settings.dry_run))
}

/// The control plane counts objects; people have files.
fn in_files(error: ClientError, objects: &[ManifestObject]) -> ClientError {
    let ClientError::Refused(mut refusal) = error else { return error };
    let place = |text: &str| {
        let (index, rest) = text.strip_prefix("objects[")?.split_once(']')?;
        let object = objects.get(index.parse::<usize>().ok()?)?;
        let rest = rest.trim_start_matches(['.', ':', ' ']);
        Some(if rest.is_empty() { object.place.clone() } else { format!("{}: {rest}", object.place) })
    };
    for error in &mut refusal.errors {
        if let Some(place) = place(&error.field) {
            error.field = place;
        }
    }
    if let Some(detail) = place(&refusal.detail) {
        refusal.detail = detail;
    }
    ClientError::Refused(refusal)
}

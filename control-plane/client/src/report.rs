//! What was done, or would be, for people.

use std::io::Write;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What became of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it should be.
    Done,
    /// A dry run has found something that it would change.
    WouldChange,
}

impl Outcome {
    /// 0: done, or nothing to do. 3: a dry run has found something to do.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::WouldChange => ExitCode::from(3),
        }
    }
}

/// What the control plane answers.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    created: Vec<Applied>,
    changed: Vec<Applied>,
    unchanged: Vec<Applied>,
    deleted: Vec<Applied>,
    diff: Vec<Differing>,
    revision: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Applied {
    kind: String,
    name: String,
    tenant: Option<String>,
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Differing {
    kind: String,
    name: String,
    tenant: Option<String>,
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Change {
    path: String,
    before: Value,
    after: Value,
}

impl Report {
    pub(crate) fn outcome(&self, dry_run: bool) -> Outcome {
        let changes = self.created.len() + self.changed.len() + self.deleted.len();
        if dry_run && changes > 0 { Outcome::WouldChange } else { Outcome::Done }
    }

    /// As the control plane said it, in JSON; or else in lines.
    pub(crate) fn write(&self, json: bool, dry_run: bool, out: &mut impl Write) -> std::io::Result<()> {
        if json {
            serde_json::to_writer_pretty(&mut *out, self)?;
            return writeln!(out);
        }
        for (sign, objects) in [("+", &self.created), ("~", &self.changed), ("-", &self.deleted)] {
            for object in objects {
                writeln!(out, "{sign} {}", title(&object.kind, object.tenant.as_deref(), &object.name))?;
                if sign == "~" {
                    self.write_changes(object, out)?;
                }
            }
        }
        let counts = format!(
            "{} created, {} changed, {} deleted, {} unchanged",
            self.created.len(),
            self.changed.len(),
            self.deleted.len(),
            self.unchanged.len()
        );
        match self.revision {
            Some(revision) => writeln!(out, "{counts}: revision {revision}")?,
            None if dry_run => writeln!(out, "{counts}, if this were no dry run")?,
            None => writeln!(out, "{counts}: nothing to do")?,
        }
        for object in &self.created {
            for secret in object.key.iter().chain(&object.token) {
                let title = title(&object.kind, object.tenant.as_deref(), &object.name);
                writeln!(out, "{title}, shown this once: {secret}")?;
            }
        }
        Ok(())
    }

    fn write_changes(&self, object: &Applied, out: &mut impl Write) -> std::io::Result<()> {
        let is_it = |differing: &&Differing| {
            differing.kind == object.kind && differing.name == object.name && differing.tenant == object.tenant
        };
        for change in self.diff.iter().filter(is_it).flat_map(|differing| &differing.changes) {
            writeln!(out, "    {}: {} -> {}", plain(&change.path), change.before, change.after)?;
        }
        Ok(())
    }
}

fn title(kind: &str, tenant: Option<&str>, name: &str) -> String {
    match tenant {
        Some(tenant) => format!("{kind} {} of {}", plain(name), plain(tenant)),
        None => format!("{kind} {}", plain(name)),
    }
}

/// Names are other people's: none of them moves the cursor of a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let escaped: Vec<char> = if letter.is_control() { letter.escape_default().collect() } else { vec![letter] };
            escaped
        })
        .collect()
}

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The command line or the environment.
    #[error("{0}")]
    Settings(String),
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in a file is wrong.
    #[error("{place}: {reason}")]
    Manifest {
        /// The file, the object and the field.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// No connection came about, so nothing was asked for.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// Where the admin API should be.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The request was sent, and no answer came.
    #[error("no answer came: whether it was done is not known. Do it again; what is done already stays as it is")]
    Unknown(#[source] reqwest::Error),
    /// The control plane refuses.
    #[error("{}", .0.text())]
    Refused(Refusal),
    /// What answers is no control plane of this version.
    #[error("the answer is not understood; is this the address of a Weir control plane?")]
    Answer,
    /// The result cannot be written.
    #[error("the result cannot be written")]
    Output(#[from] std::io::Error),
}

impl ClientError {
    /// 1: refused, or failed before anything was done. 4: whether it was done is not known.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Unknown(_) => ExitCode::from(4),
            _ => ExitCode::FAILURE,
        }
    }
}

/// What the control plane says of a refusal (RFC 9457).
#[derive(Clone, Debug, Deserialize)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Stable.
    pub code: String,
    /// What it was this time.
    pub detail: String,
    /// Which fields are wrong.
    #[serde(default)]
    pub errors: Vec<RefusedField>,
}

/// A field that is wrong.
#[derive(Clone, Debug, Deserialize)]
pub struct RefusedField {
    /// Its path.
    pub field: String,
    /// Which rule it breaks.
    pub reason: String,
}

impl Refusal {
    fn text(&self) -> String {
        if self.errors.is_empty() {
            return format!("refused ({}): {}", self.code, self.detail);
        }
        let errors = self.errors.iter().map(|error| format!("\n  {}: {}", error.field, error.reason));
        format!("refused ({}):{}", self.code, errors.collect::<String>())
    }
}

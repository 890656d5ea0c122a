//! `weir support`: what somebody needs who is to find out why an installation does not do what it should, in one file.
//!
//! Versions, what the control plane says of itself and of Envoys, what each Envoy says by its admin interface, and the ends of logs. Every
//! part is looked through for secrets before it is written ([`redact`]), and whatever cannot be had is named in the file in its place: an
//! installation of which a bundle is wanted is seldom whole.
//!
//! Knows no database, and changes nothing.

mod archive;
mod redact;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};

use crate::archive::Archive;

/// For one answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Bytes of one answer: a configuration may be large, but not without end.
const LARGEST: usize = 64 << 20;
/// Paths of the control plane that need no token.
const CONTROL_PLANE: [(&str, &str); 3] =
    [("health.txt", "/health"), ("ready.txt", "/ready"), ("metrics.txt", "/metrics")];
/// The one that does.
const NODES: (&str, &str) = ("nodes.json", "/api/v1/admin/nodes");
/// Paths of Envoy's admin interface.
const ENVOY: [(&str, &str); 8] = [
    ("server_info.json", "/server_info"),
    ("config_dump.json", "/config_dump?include_eds"),
    ("init_dump.json", "/init_dump"),
    ("clusters.json", "/clusters?format=json"),
    ("listeners.json", "/listeners?format=json"),
    ("stats.txt", "/stats?usedonly"),
    ("memory.json", "/memory"),
    ("runtime.json", "/runtime"),
];

/// What is asked, and where it goes.
#[derive(Args, Debug, Clone)]
pub struct SupportSettings {
    /// The file that is written, a tar archive that only its owner can read. It must not be there. `-`: standard output, for containers
    /// that can write no file.
    #[arg(long, default_value = "weir-support.tar")]
    pub output: PathBuf,
    /// The origin of the admin API.
    #[arg(long, env = "WEIR_URL", default_value = "http://127.0.0.1:18081")]
    pub url: String,
    /// A bearer token for the admin API that may read nodes; without one the bundle has none of them. Arguments can be seen by others, so
    /// rather set the variable.
    #[arg(long, env = "WEIR_TOKEN", hide_env_values = true)]
    pub token: Option<SecretString>,
    /// The admin interface of an Envoy. Can be repeated.
    #[arg(long, default_value = "http://127.0.0.1:19000")]
    pub envoy: Vec<String>,
    /// A log, of the control plane or an Envoy. Can be repeated.
    #[arg(long)]
    pub log_file: Vec<PathBuf>,
    /// How many bytes of each log's end are taken.
    #[arg(long, default_value_t = 4 << 20)]
    pub log_bytes: u64,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum SupportError {
    /// The file cannot be made.
    #[error("{} cannot be written", path.display())]
    Output {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no client.
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Writes the bundle, and returns what could not be had, a line for each.
pub async fn support(settings: &SupportSettings) -> Result<Vec<String>, SupportError> {
    let unwritable = |source| SupportError::Output { path: settings.output.clone(), source };
    let http = Client::builder().timeout(ANSWER).redirect(reqwest::redirect::Policy::none()).build();
    let http = http.map_err(SupportError::Client)?;
    let out = output(&settings.output).map_err(unwritable)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut bundle = Bundle { archive: Archive::new(out, now), missing: Vec::new() };

    let version = format!("weir {}\ntaken at {now} (seconds since 1970)\n", env!("CARGO_PKG_VERSION"));
    bundle.add("version.txt", Ok(version)).map_err(unwritable)?;
    let origin = settings.url.trim_end_matches('/');
    for (name, path) in CONTROL_PLANE {
        let answer = answer(http.get(format!("{origin}{path}"))).await;
        bundle.add(&format!("control-plane/{name}"), answer).map_err(unwritable)?;
    }
    let nodes = match &settings.token {
        Some(token) => answer(http.get(format!("{origin}{}", NODES.1)).bearer_auth(token.expose_secret())).await,
        None => Err("no token was given: WEIR_TOKEN or --token".to_owned()),
    };
    bundle.add(&format!("control-plane/{}", NODES.0), nodes).map_err(unwritable)?;
    for (number, admin) in settings.envoy.iter().enumerate() {
        for (name, path) in ENVOY {
            let answer = answer(http.get(format!("{}{path}", admin.trim_end_matches('/')))).await;
            bundle.add(&format!("envoy-{}/{name}", number + 1), answer).map_err(unwritable)?;
        }
    }
    for (number, path) in settings.log_file.iter().enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let end = end(path, settings.log_bytes).map_err(|error| error.to_string());
        bundle.add(&format!("logs/{}-{name}", number + 1), end).map_err(unwritable)?;
    }
    bundle.finished().map_err(unwritable)
}

/// Where the archive goes.
fn output(path: &Path) -> std::io::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdout()));
    }
    // What stands on a disk can be read by others.
    Ok(Box::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?))
}

/// What is written, and what is not.
struct Bundle {
    archive: Archive<Box<dyn Write>>,
    missing: Vec<String>,
}

impl Bundle {
    fn add(&mut self, name: &str, content: Result<String, String>) -> std::io::Result<()> {
        match content {
            Ok(content) => self.archive.add(name, redact::redacted(&content).as_bytes()),
            Err(reason) => {
                self.missing.push(redact::redacted(&format!("{name}: {reason}")));
                Ok(())
            }
        }
    }

    fn finished(mut self) -> std::io::Result<Vec<String>> {
        let missing: String = self.missing.iter().map(|line| format!("{line}\n")).collect();
        self.archive.add("missing.txt", missing.as_bytes())?;
        self.archive.finished()?.flush()?;
        Ok(self.missing)
    }
}

/// The text of an answer, whatever its status, or why there is none.
async fn answer(request: RequestBuilder) -> Result<String, String> {
    let failed = |error: reqwest::Error| {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > LARGEST {
            return Err(format!("the answer is larger than {LARGEST} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() { Ok(text) } else { Err(format!("answered {}: {}", status.as_u16(), first_line(&text))) }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(500).collect()
}

/// The last bytes of a file, from the beginning of a line.
fn end(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let skipped = size.saturating_sub(bytes);
    file.seek(SeekFrom::Start(skipped))?;
    let mut content = Vec::new();
    file.take(bytes).read_to_end(&mut content)?;
    let text = String::from_utf8_lossy(&content);
    // A line that is cut may be the second half of a secret.
    let whole = if skipped == 0 { text.as_ref() } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(whole.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_begins_with_a_whole_line() {
        let path = std::env::temp_dir().join(format!("weir-support-{}", std::process::id()));
        std::fs::write(&path, "first\nsecond\nthird\n").unwrap();
        assert_eq!(end(&path, 100).unwrap(), "first\nsecond\nthird\n");
        assert_eq!(end(&path, 10).unwrap(), "third\n");
        assert_eq!(end(&path, 3).unwrap(), "");
        std::fs::remove_file(&path).unwrap();
        assert!(end(&path, 3).is_err());
    }
}

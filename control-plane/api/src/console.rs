//! The console's files, at `/`.
//!
//! They are read into memory once: from a folder, or from this binary where it was built with the feature `embed-console`. So a
//! build needs no Node unless it asks for that feature. A path that is no file is one of the console's own pages, which its script
//! finds by itself; the paths of the API and its siblings are never such.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::ApiState;
use crate::problem::{Code, Problem};

/// The first page.
const INDEX: &str = "index.html";
/// Files below it have a digest of their content in their name.
const HASHED: &str = "assets/";
/// What else stands on this port: what is unknown there is no page.
const OTHERS: [&str; 5] = ["api", "docs", "health", "ready", "metrics"];
/// Scripts and styles are the console's own files; nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The console's files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// A file or folder.
    #[error("the console's files at {} cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no first page.
    #[error("the console has no {INDEX}")]
    NoIndex,
}

/// The console's files by their paths, with what was compressed beside them (`x.js.gz`, `x.js.br`). None by default.
#[derive(Clone, Default)]
pub struct Console {
    files: Arc<BTreeMap<String, Bytes>>,
}

impl fmt::Debug for Console {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Console").field("files", &self.files.len()).finish()
    }
}

impl Console {
    /// Reads a folder with everything below it.
    pub fn read(folder: &Path) -> Result<Self, ConsoleError> {
        let mut files = BTreeMap::new();
        read_into(&mut files, folder, "")?;
        Self::of(files)
    }

    /// The files that were built into this binary; none without the feature `embed-console`.
    pub fn embedded() -> Result<Self, ConsoleError> {
        #[cfg(feature = "embed-console")]
        {
            let files = embedded::Files::iter().filter_map(|path| {
                let file = embedded::Files::get(&path)?;
                Some((path.into_owned(), Bytes::from(file.data.into_owned())))
            });
            Self::of(files.collect())
        }
        #[cfg(not(feature = "embed-console"))]
        Ok(Self::default())
    }

    fn of(files: BTreeMap<String, Bytes>) -> Result<Self, ConsoleError> {
        if files.contains_key(INDEX) { Ok(Self { files: Arc::new(files) }) } else { Err(ConsoleError::NoIndex) }
    }

    /// The answer for a path; `None` if there is no such file and no such page.
    fn answer(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        let path = path.trim_start_matches('/');
        let first = path.split('/').next().unwrap_or_default();
        if self.files.is_empty() || OTHERS.contains(&first) {
            return None;
        }
        let file = if self.files.contains_key(path) && path != INDEX {
            path
        } else if path.starts_with(HASHED) || !(path.is_empty() || accepts(headers, header::ACCEPT, "text/html")) {
            // The root is a page for whoever asks; another path only for a browser.
            return None;
        } else {
            INDEX
        };
        let encoded = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(coding, suffix)| {
            let bytes = self.files.get(&format!("{file}{suffix}"))?;
            accepts(headers, header::ACCEPT_ENCODING, coding).then_some((Some(coding), bytes))
        });
        let (coding, bytes) = match encoded {
            Some(encoded) => encoded,
            None => (None, self.files.get(file)?),
        };
        let cache = if file.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut response = bytes.clone().into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, content_type(file));
        set(header::CACHE_CONTROL, cache);
        set(header::VARY, "accept, accept-encoding");
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        set(HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()");
        if let Some(coding) = coding {
            set(header::CONTENT_ENCODING, coding);
        }
        Some(response)
    }
}

/// Answers what no other route does.
pub(crate) async fn serve(State(state): State<ApiState>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let reads = method == Method::GET || method == Method::HEAD;
    if let Some(answer) = state.console.answer(uri.path(), &headers).filter(|_| reads) {
        return answer;
    }
    if reads && uri.path() == "/" && state.console.files.is_empty() {
        return Redirect::temporary("/docs").into_response();
    }
    Problem::new(Code::NotFound, format!("there is nothing at {}", uri.path())).into_response()
}

/// Whether a list such as `gzip, br;q=0.9` names something, whatever its weight but 0.
fn accepts(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|entry| {
        let (value, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let refused =
            parameters.split(';').any(|parameter| matches!(parameter.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        value.trim().eq_ignore_ascii_case(wanted) && !refused
    })
}

fn content_type(file: &str) -> &'static str {
    match file.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn read_into(files: &mut BTreeMap<String, Bytes>, folder: &Path, prefix: &str) -> Result<(), ConsoleError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| ConsoleError::Read { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            read_into(files, &path, &format!("{name}/"))?;
        } else {
            files.insert(name, std::fs::read(&path).map_err(failed(&path))?.into());
        }
    }
    Ok(())
}

#[cfg(feature = "embed-console")]
mod embedded {
    /// What `npm run build` has made.
    #[derive(rust_embed::RustEmbed)]
    #[folder = "$CARGO_MANIFEST_DIR/../../ui/dist"]
    pub(super) struct Files;
}

#[cfg(feature = "embed-console")]
use rust_embed::RustEmbed as _;

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> Console {
        let files = ["index.html", "index.html.gz", "favicon.svg", "assets/main-1a2b.js", "assets/main-1a2b.js.br"];
        Console::of(files.map(|path| (path.to_owned(), Bytes::from_static(path.as_bytes()))).into()).unwrap()
    }

    fn headers(accept: &'static str, encoding: &'static str) -> HeaderMap {
        let pairs = [(header::ACCEPT, accept), (header::ACCEPT_ENCODING, encoding)];
        pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_path_is_a_file_or_a_page_and_never_the_apis() {
        let check = |path: &str, accept: &'static str, encoding: &'static str, expect: Option<(&str, &str)>| {
            let answer = console().answer(path, &headers(accept, encoding));
            let found = answer.map(|answer| {
                let text = |name| answer.headers().get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap());
                (text(header::CACHE_CONTROL).to_owned(), text(header::CONTENT_ENCODING).to_owned())
            });
            let found = found.as_ref().map(|(cache, coding)| (cache.as_str(), coding.as_str()));
            assert_eq!(found, expect, "{path} {accept} {encoding}");
        };
        let (page, forever) = ("text/html,*/*;q=0.8", "public, max-age=31536000, immutable");
        check("/", page, "gzip, br", Some(("no-cache", "gzip")));
        check("/", page, "br, gzip;q=0", Some(("no-cache", "")));
        check("/", "*/*", "", Some(("no-cache", "")));
        check("/tenants/new", page, "", Some(("no-cache", "")));
        check("/tenants/new", "*/*", "", None);
        check("/favicon.svg", "*/*", "", Some(("no-cache", "")));
        check("/assets/main-1a2b.js", "*/*", "gzip, br", Some((forever, "br")));
        check("/assets/main-1a2b.js", "*/*", "gzip", Some((forever, "")));
        check("/assets/gone-1a2b.js", page, "", None);
        for path in ["/api", "/api/v1/admin/unknown", "/docs/x", "/health/x", "/ready/x", "/metrics/x"] {
            check(path, page, "", None);
        }
    }

    #[test]
    fn a_folder_needs_its_first_page() {
        assert!(matches!(Console::of(BTreeMap::new()), Err(ConsoleError::NoIndex)));
        assert!(matches!(Console::read(Path::new("/nowhere")), Err(ConsoleError::Read { .. })));
    }
}

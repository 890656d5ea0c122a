//! What a browser holds of its session, and whether a request was its user's own idea.

use axum::http::{HeaderMap, Method, Uri, header};

use crate::problem::{Code, Problem};

/// Only for this host, only over a connection that browsers trust (TLS, or this machine itself), for all paths.
const COOKIE: &str = "__Host-weir-session";

/// Keeps a secret from one sign-in to the next, for 90 days: by it the browser is known again, and gets at nothing.
const DEVICE: &str = "__Host-weir-device";
const DEVICE_SECONDS: u32 = 90 * 24 * 60 * 60;

/// Keeps what a sign-in by an identity provider began with. The way back comes from the provider's page, so it is not strict.
const PENDING: &str = "__Host-weir-sign-in";

/// The token in the request's cookie.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, COOKIE)
}

/// By what the browser is known again.
pub(crate) fn device(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, DEVICE)
}

/// What a sign-in by an identity provider began with, sealed.
pub(crate) fn pending(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, PENDING)
}

/// `Set-Cookie` that keeps it; for no seconds: forgets it.
pub(crate) fn keep_pending(sealed: &str, seconds: i64) -> String {
    format!("{PENDING}={sealed}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax")
}

/// `Set-Cookie` by which the browser is known again.
pub(crate) fn keep_device(device: &str) -> String {
    format!("{DEVICE}={device}; Path=/; Max-Age={DEVICE_SECONDS}; HttpOnly; Secure; SameSite=Strict")
}

/// Of two with one name nobody knows which is the browser's own.
fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == wanted)
        .map(|(_, token)| token);
    found.next().filter(|token| !token.is_empty() && found.next().is_none())
}

/// `Set-Cookie` that gives a token to the browser. No script can read it, and no other site's page makes the browser send it: the
/// console's first page needs no session, so links from elsewhere work all the same.
pub(crate) fn keep(token: &str, seconds: i64) -> String {
    format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict")
}

/// `Set-Cookie` that makes the browser forget it.
pub(crate) fn forget() -> String {
    keep("", 0)
}

/// Refuses a change that another site's page has made the browser ask for (CSRF). Browsers say where a request comes from in
/// `Sec-Fetch-Site`, and old ones in `Origin` at least; one that says neither is refused.
pub(crate) fn refuse_foreign(method: &Method, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let own = match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => {
            let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text("host"));
            // Only the host is compared: whether TLS ends here or before us, this end cannot know.
            let origin = text("origin").and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
            origin.is_some() && origin == host
        }
    };
    if own { Ok(()) } else { Err(Problem::new(Code::Forbidden, "this was not asked for by a page of the console")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_one_cookie_of_the_right_name_counts() {
        let check = |lines: &[&'static str], expect: Option<&str>| {
            let pairs: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            assert_eq!(token(&headers(&pairs)), expect, "{lines:?}");
        };
        check(&["__Host-weir-session=a"], Some("a"));
        check(&["theme=dark; __Host-weir-session=a=b; x=y"], Some("a=b"));
        check(&["theme=dark", "__Host-weir-session=a"], Some("a"));
        check(&["__Host-weir-session="], None);
        check(&["weir-session=a"], None);
        check(&["__Host-weir-session=a; __Host-weir-session=b"], None);
        check(&[], None);
    }

    #[test]
    fn changes_are_asked_for_by_our_own_pages_only() {
        let check = |method: Method, pairs: &[(&'static str, &'static str)], expect: bool| {
            let uri = Uri::from_static("/api/v1/admin/models");
            assert_eq!(refuse_foreign(&method, &headers(pairs), &uri).is_ok(), expect, "{method} {pairs:?}");
        };
        let host = ("host", "weir.example:8443");
        check(Method::POST, &[host, ("sec-fetch-site", "same-origin")], true);
        for site in ["same-site", "cross-site", "none", ""] {
            check(Method::POST, &[host, ("sec-fetch-site", site), ("origin", "https://weir.example:8443")], false);
        }
        check(Method::DELETE, &[host, ("origin", "https://weir.example:8443")], true);
        for origin in ["https://evil.example", "https://weir.example", "null", "weir.example:8443"] {
            check(Method::DELETE, &[host, ("origin", origin)], false);
        }
        check(Method::PATCH, &[host], false);
        check(Method::GET, &[host, ("sec-fetch-site", "cross-site")], true);
    }
}

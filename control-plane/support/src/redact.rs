//! Takes secrets out of texts of which nobody knows what is in them.
//!
//! Two rules, each of which errs to the side of taking too much. By name: what a key, a header or a setting is called that holds a secret.
//! By look: long runs that only a machine would write, as keys and tokens are; identifiers (UUIDs) and digests (hexadecimal) are not among
//! them, since they are what one compares.

use serde_json::{Map, Value};

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";
/// What names of settings and headers contain that hold secrets.
const NAMES: [&str; 13] = [
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "cookie",
    "api_key",
    "api-key",
    "apikey",
    "private_key",
    "credential",
    "inline_bytes",
    "initial_metadata",
];
/// What names contain that hold none although they sound so: SDS names its secrets, counters count them.
const NO_SECRETS: [&str; 8] =
    ["_tokens", "sds_config", "max_tokens", "token_bucket", "secret_name", "secrets_config", "issuer", "@type"];
/// Characters of which a secret is at least, where only its look tells it.
const SHORTEST: usize = 20;
/// What secrets begin with, whatever they look like.
const PREFIXES: [&str; 12] =
    ["weir_", "weirgw_", "weirs_", "weird_", "weirsetup_", "weirt_", "weirpw_", "sk-", "eyJ", "AKIA", "AIza", "ghp_"];
/// What a secret stands behind in a header.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// A text without its secrets. JSON stays JSON.
pub(crate) fn redacted(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value @ (Value::Object(_) | Value::Array(_))) => {
            in_value(&mut value);
            format!("{value:#}\n")
        }
        _ => text.split_inclusive('\n').scan(false, |in_key, line| Some(in_line(line, in_key))).collect(),
    }
}

/// A line of a log, which may be JSON, or within a private key.
fn in_line(line: &str, in_key: &mut bool) -> String {
    if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") {
        *in_key = true;
    }
    if *in_key {
        *in_key = !line.contains("-----END ");
        return format!("{REDACTED}\n");
    }
    match serde_json::from_str::<Value>(line) {
        Ok(mut value @ Value::Object(_)) => {
            in_value(&mut value);
            format!("{value}\n")
        }
        _ => in_text(line),
    }
}

fn in_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = if text.contains("PRIVATE KEY-----") { REDACTED.into() } else { in_text(text) },
        Value::Array(items) => items.iter_mut().for_each(in_value),
        Value::Object(fields) => in_fields(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn in_fields(fields: &mut Map<String, Value>) {
    // A header, or another pair: `{"key": "authorization", "value": …}`.
    let name = ["key", "name", "header_name", "header"].iter().find_map(|key| fields.get(*key)?.as_str());
    let holds_secret = name.is_some_and(is_secret_name);
    for (key, value) in fields {
        let is_value = matches!(key.as_str(), "value" | "raw_value" | "string_value");
        if is_secret_name(key) || (holds_secret && is_value) {
            all(value);
        } else {
            in_value(value);
        }
    }
}

/// Every text in it. What is named only, as SDS names secrets, stays.
fn all(value: &mut Value) {
    match value {
        Value::String(text) => REDACTED.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(all),
        Value::Object(fields) => {
            let is_reference = |key: &str| matches!(key, "name" | "@type" | "sds_config" | "filename" | "path");
            for (key, value) in fields {
                if is_reference(key) { in_value(value) } else { all(value) }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part)) && !NO_SECRETS.iter().any(|part| name.contains(part))
}

/// Runs that look like secrets, what stands behind `Bearer`, what a name in front says of, and passwords in URLs.
fn in_text(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = Before::default();
    while !rest.is_empty() {
        let run = rest.find(|c: char| !is_of_a_run(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(run);
        if word.is_empty() {
            let mut characters = after.chars();
            let between = characters.next().unwrap_or_default();
            before.between(between);
            made.push(between);
            rest = characters.as_str();
            continue;
        }
        let is_password = before.is_user && after.starts_with('@');
        let is_secret = (before.announced && !is_scheme(word)) || is_password || looks_like_a_secret(word);
        made.push_str(if is_secret { REDACTED } else { word });
        before.word(word);
        rest = after;
    }
    made
}

/// What was read before a run.
#[derive(Default)]
struct Before {
    /// The last run is a name of a secret, or a scheme that one stands behind.
    named: bool,
    /// Behind that stood what parts a name from its value.
    announced: bool,
    /// Slashes of a URL were read, and no blank since.
    in_url: bool,
    /// The run that follows is behind a colon of a URL's host part.
    is_user: bool,
}

impl Before {
    fn between(&mut self, character: char) {
        match character {
            '=' | ':' if self.named => self.announced = true,
            ' ' | '"' | '\'' => {
                self.in_url &= character != ' ';
                self.is_user = false;
            }
            '\n' | ',' | ';' | '{' | '}' | '(' | ')' | '[' | ']' => *self = Self::default(),
            _ => {}
        }
        if character == ':' {
            self.is_user = self.in_url;
        }
    }

    fn word(&mut self, word: &str) {
        let scheme = is_scheme(word);
        self.in_url |= word.starts_with("//");
        self.announced = scheme;
        self.named = !scheme && is_secret_name(word);
    }
}

fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// As in base64 of either alphabet, and in paths.
fn is_of_a_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-+/~%".contains(c)
}

fn looks_like_a_secret(word: &str) -> bool {
    let has = |wanted: fn(&u8) -> bool| word.bytes().any(|byte| wanted(&byte));
    // A metric begins so too, in small letters.
    let is_random = has(u8::is_ascii_digit) || has(u8::is_ascii_uppercase);
    let begins = |prefix: &str| word.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 12);
    if is_random && PREFIXES.into_iter().any(begins) {
        return true;
    }
    let is_hexadecimal = word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    word.len() >= SHORTEST
        && !is_hexadecimal
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_goes_and_the_rest_stays() {
        let check = |text: &str, expect: &str| assert_eq!(redacted(text), expect, "{text}");
        check("nothing to hide 1.40.0\n", "nothing to hide 1.40.0\n");
        check("Authorization: Bearer abc\n", "Authorization: Bearer [redacted]\n");
        check("key weir_abcdefghijk1m at weir_api_requests_total\n", "key [redacted] at weir_api_requests_total\n");
        check("postgres://weir:pass@db:5432/weir\n", "postgres://weir:[redacted]@db:5432/weir\n");
        check("password=hunter2 user=me\n", "password=[redacted] user=me\n");
        check(
            "cluster weir.pool.01999999-aaaa-7bbb-8ccc-0123456789ab\n",
            "cluster weir.pool.01999999-aaaa-7bbb-8ccc-0123456789ab\n",
        );
        check("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "[redacted]=\n");
        check(
            "a\n-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nb\n",
            "a\n[redacted]\n[redacted]\n[redacted]\nb\n",
        );
        check("input_tokens: 12\n", "input_tokens: 12\n");
    }

    #[test]
    fn json_keeps_its_form() {
        let check = |value: Value, expect: Value| {
            let text = redacted(&value.to_string());
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expect);
        };
        use serde_json::json;
        check(
            json!({"header": {"key": "Authorization", "value": "x"}, "other": {"key": "x-a", "value": "b"}}),
            json!({"header": {"key": "Authorization", "value": "[redacted]"}, "other": {"key": "x-a", "value": "b"}}),
        );
        check(
            json!({"credential": {"name": "weir.credential.1", "sds_config": {"ads": {}}, "inline_string": "x"}}),
            json!({"credential": {"name": "weir.credential.1", "sds_config": {"ads": {}}, "inline_string": "[redacted]"}}),
        );
        check(
            json!([{"private_key": {"inline_bytes": "abc"}, "version_info": "7", "max_tokens": "9"}]),
            json!([{"private_key": {"inline_bytes": "[redacted]"}, "version_info": "7", "max_tokens": "9"}]),
        );
    }
}

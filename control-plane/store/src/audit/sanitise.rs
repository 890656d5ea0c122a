//! What never stands in the audit log, whoever put it into an object.

use serde_json::Value;

/// Stands where a secret was.
pub(crate) const HIDDEN: &str = "(hidden)";

/// Words in the name of a field that holds a secret.
const NAMES: [&str; 7] =
    ["password", "passwd", "secret", "credential", "authorization", "private_key", "api_key_value"];
/// How a credential begins, in a text that says something else, too.
const BEGINNINGS: [&str; 9] = ["Bearer ", "Basic ", "sk-", "weir_", "weirgw_", "AKIA", "ghp_", "xoxb-", "eyJ"];
/// Characters of the shortest text that is taken for a credential.
const SHORTEST: usize = 12;

/// Hides secrets in a value, at whatever depth: what a field holds whose name says so, and words that are credentials by their form.
pub(crate) fn sanitise(value: &mut Value) {
    match value {
        Value::String(text) => hide_words(text),
        Value::Array(items) => items.iter_mut().for_each(sanitise),
        Value::Object(fields) => {
            for (name, value) in fields {
                if value.is_string() && is_secret(name) {
                    *value = HIDDEN.into();
                } else {
                    sanitise(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a field of this name, or at this path, holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|word| name.contains(word))
}

fn hide_words(text: &mut String) {
    if let Some(beginning) = ["Bearer ", "Basic "].iter().find(|beginning| text.starts_with(*beginning)) {
        *text = format!("{beginning}{HIDDEN}");
    } else if BEGINNINGS.iter().any(|beginning| text.contains(beginning)) {
        let words = text.split(' ').map(|word| {
            let begins = |beginning: &&str| {
                word.split(['=', '&', '?', '"', ',']).any(|part| part.starts_with(*beginning) && part.len() >= SHORTEST)
            };
            if BEGINNINGS.iter().any(begins) { HIDDEN } else { word }
        });
        *text = words.collect::<Vec<_>>().join(" ");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sanitise;

    #[test]
    fn secrets_are_hidden_at_any_depth_and_nothing_else_is() {
        for (value, expect) in [
            (json!({"a": [{"client_secret": "x"}]}), json!({"a": [{"client_secret": "(hidden)"}]})),
            (json!({"headers": {"Authorization": "Bearer abc"}}), json!({"headers": {"Authorization": "(hidden)"}})),
            (json!(["Bearer abcdef"]), json!(["Bearer (hidden)"])),
            (json!("use sk-abcdefghijklmnop please"), json!("use (hidden) please")),
            (json!("key=weir_abcdefghijklmnop"), json!("(hidden)")),
            (
                json!({"name": "task-force", "secret": null, "limit": 3}),
                json!({"name": "task-force", "secret": null, "limit": 3}),
            ),
        ] {
            let mut sanitised = value.clone();
            sanitise(&mut sanitised);
            assert_eq!(sanitised, expect, "{value}");
        }
    }
}

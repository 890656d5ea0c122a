//! Secrets are named in files, and lie elsewhere: `{env: NAME}` or `{file: PATH}`.

use std::path::Path;

use serde_json::Value;
use weir_core::json::Object;
use weir_core::resource::SECRET_FIELDS;

/// What a file says of a secret.
const FORM: &str = "must be {env: NAME} or {file: PATH}: a secret itself has no place in a file";

/// The field of a kind that holds a secret which people give.
pub(crate) fn field(kind: &str) -> Option<&'static str> {
    SECRET_FIELDS.iter().find(|(of, _)| *of == kind).map(|(_, field)| *field)
}

/// Puts a secret in the place of where it is. `folder`: where relative paths begin; `variable`: reads the environment. Gives what is
/// wrong, which never holds the secret.
pub(crate) fn resolve(
    kind: &str,
    spec: &mut Object,
    folder: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), (String, String)> {
    let Some(field) = field(kind) else { return Ok(()) };
    let Some(value) = spec.get_mut(field) else { return Ok(()) };
    let wrong = |reason: String| (format!("spec.{field}"), reason);
    let reference = match &*value {
        // Takes the secret away.
        Value::Null => return Ok(()),
        Value::Object(reference) if reference.len() == 1 => reference,
        _ => return Err(wrong(FORM.into())),
    };
    let secret = match (text(reference, "env"), text(reference, "file")) {
        (Some(name), None) => {
            variable(name).ok_or_else(|| wrong(format!("the environment variable {name} is not set, or is no text")))?
        }
        (None, Some(path)) => {
            let path = folder.join(path);
            let read = std::fs::read_to_string(&path);
            read.map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?
        }
        _ => return Err(wrong(FORM.into())),
    };
    // Editors and `echo` end a file with a line break.
    let secret = secret.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(wrong("the secret is empty".into()));
    }
    *value = secret.into();
    Ok(())
}

fn text<'a>(reference: &'a Object, name: &str) -> Option<&'a str> {
    reference.get(name).and_then(Value::as_str)
}

/// The variable that an export asks for: `WEIR_SECRET_ACME_PROVIDER_OPENAI_CREDENTIAL`.
pub(crate) fn variable_name(tenant: Option<&str>, kind: &str, name: &str, field: &str) -> String {
    let mut variable = "WEIR_SECRET".to_owned();
    for part in tenant.into_iter().chain([kind, name, field]) {
        variable.push('_');
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
        variable.extend(part.chars().map(letter));
    }
    variable
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolved(kind: &str, spec: Value, folder: &Path) -> Result<Value, (String, String)> {
        let mut spec = spec.as_object().cloned().unwrap();
        let variable = |name: &str| (name == "KEY").then(|| "sk-1\n".to_owned());
        resolve(kind, &mut spec, folder, variable).map(|()| spec.into())
    }

    #[test]
    fn a_secret_comes_from_the_environment_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "sk-2\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let check = |kind: &str, spec: Value, expect: Value| {
            assert_eq!(resolved(kind, spec, folder.path()).unwrap(), expect);
        };
        check("provider", json!({"credential": {"env": "KEY"}}), json!({"credential": "sk-1"}));
        check("provider", json!({"credential": {"file": "key"}}), json!({"credential": "sk-2"}));
        check("provider", json!({"credential": null}), json!({"credential": null}));
        check("provider", json!({"schema": "openai"}), json!({"schema": "openai"}));
        check("user", json!({"password": {"env": "KEY"}}), json!({"password": "sk-1"}));
        // Of another kind it is a field like others.
        check("model", json!({"credential": "x"}), json!({"credential": "x"}));
        for wrong in [
            json!("sk-live"),
            json!(["sk-live"]),
            json!({"value": "sk-live"}),
            json!({"env": ["sk-live"]}),
            json!({"env": "KEY", "file": "sk-live"}),
            json!({}),
            json!({"env": "OTHER"}),
            json!({"file": "none"}),
            json!({"file": "empty"}),
        ] {
            let (field, reason) = resolved("provider", json!({"credential": wrong}), folder.path()).unwrap_err();
            assert_eq!(field, "spec.credential");
            assert!(!reason.contains("sk-live"), "{reason}");
        }
    }

    #[test]
    fn a_variable_is_named_by_what_it_is_of() {
        let name = variable_name(Some("acme"), "provider", "open-ai.eu", "credential");
        assert_eq!(name, "WEIR_SECRET_ACME_PROVIDER_OPEN_AI_EU_CREDENTIAL");
    }
}

//! Objects in YAML files: one or several documents, each an object or a list of objects.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use weir_core::json::Object;

use crate::ClientError;
use crate::secrets;

/// An object of a file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ManifestObject {
    pub(crate) kind: String,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    pub(crate) spec: Object,
    /// The file and the object, for people.
    #[serde(skip)]
    pub(crate) place: String,
}

/// The objects of files and folders, in the order in which these are named; of a folder all files that end with `.yaml` or `.yml`, by
/// name, those of its folders too. `variable` reads the environment.
pub(crate) fn read(
    paths: &[PathBuf],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<ManifestObject>, ClientError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, true, &mut files)?;
    }
    let mut objects = Vec::new();
    for file in files {
        let unreadable = |source| ClientError::Unreadable { path: file.clone(), source };
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        objects.extend(parse(&file, &text, &variable)?);
    }
    if objects.is_empty() {
        return Err(ClientError::Settings("the files hold no objects".into()));
    }
    Ok(objects)
}

fn collect(path: &Path, is_named: bool, files: &mut Vec<PathBuf>) -> Result<(), ClientError> {
    let unreadable = |source| ClientError::Unreadable { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_named || is_yaml {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    entries.sort();
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    entries.iter().filter(|path| !is_hidden(path)).try_for_each(|path| collect(path, false, files))
}

fn parse(
    file: &Path,
    text: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<ManifestObject>, ClientError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let options = serde_saphyr::options! { strict_booleans: true };
    // What the parser says may hold a line of the file, and that line a secret.
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        ClientError::Manifest {
            place: format!("{}{place}", file.display()),
            reason: "is not YAML, or names a key twice".into(),
        }
    })?;
    let mut objects = Vec::new();
    for document in documents {
        match document {
            Value::Array(items) => objects.extend(items),
            object => objects.push(object),
        }
    }
    objects.into_iter().enumerate().map(|(index, object)| read_object(file, folder, index, object, &variable)).collect()
}

fn read_object(
    file: &Path,
    folder: &Path,
    index: usize,
    object: Value,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ManifestObject, ClientError> {
    let place = format!("{}: object {}", file.display(), index + 1);
    let wrong = |place: &str, field: &str, reason: &str| ClientError::Manifest {
        place: if field.is_empty() { place.to_owned() } else { format!("{place}: {field}") },
        reason: reason.to_owned(),
    };
    let Value::Object(mut fields) = object else { return Err(wrong(&place, "", "must be an object")) };
    let mut text = |field: &str| match fields.remove(field) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        // `name: 7` is a number in YAML, and a name all the same.
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(wrong(&place, field, "must be a string")),
    };
    let kind = text("kind")?.ok_or_else(|| wrong(&place, "kind", "is required"))?;
    let name = text("name")?.ok_or_else(|| wrong(&place, "name", "is required"))?;
    let tenant = text("tenant")?;
    let place = format!("{place} ({kind} {name})");
    let mut spec = match fields.remove("spec") {
        Some(Value::Object(spec)) => spec,
        None | Some(Value::Null) => Object::new(),
        Some(_) => return Err(wrong(&place, "spec", "must be an object")),
    };
    if let Some(field) = fields.keys().next() {
        return Err(wrong(&place, field, "is not known; kind, name, tenant and spec are"));
    }
    secrets::resolve(&kind, &mut spec, folder, variable).map_err(|(field, reason)| wrong(&place, &field, &reason))?;
    Ok(ManifestObject { kind, name, tenant, spec, place })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let objects = parse(Path::new("a.yaml"), text, |_| None).unwrap();
        objects.iter().map(|object| format!("{} {}", object.kind, object.name)).collect()
    }

    #[test]
    fn documents_and_lists_hold_objects() {
        let text = "kind: tenant\nname: a\n---\n- {kind: model, name: m, tenant: a, spec: {pool: p}}\n- kind: pool\n  name: 7\n---\n";
        assert_eq!(names(text), ["tenant a", "model m", "pool 7"]);
        assert!(names("").is_empty());
        // `no` is a text: what YAML 1.1 took for booleans is none.
        let objects = parse(Path::new("a.yaml"), "kind: tenant\nname: no\n", |_| None).unwrap();
        assert_eq!(objects[0].name, "no");
    }

    #[test]
    fn what_is_wrong_is_named_and_never_shown() {
        let check = |text: &str, expect: &str| {
            let error = parse(Path::new("a.yaml"), text, |_| None).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
            assert!(!error.contains("sk-live"), "{error}");
        };
        check(
            "kind: provider\nname: p\nspec:\n  credential: sk-live\n",
            "object 1 (provider p): spec.credential: must be {env: NAME}",
        );
        check("kind: provider\nkind: sk-live\n", "a.yaml:2:1: is not YAML");
        check("kind: [sk-live", "is not YAML");
        check("sk-live", "object 1: must be an object");
        check("- {name: a}", "object 1: kind: is required");
        check("- {kind: pool}", "object 1: name: is required");
        check("- {kind: pool, name: [sk-live]}", "object 1: name: must be a string");
        check("- {kind: pool, name: a, spec: sk-live}", "object 1 (pool a): spec: must be an object");
        check("- {kind: pool, name: a, colour: sk-live}", "object 1 (pool a): colour: is not known");
    }

    #[test]
    fn a_folder_is_read_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, object: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("kind: tenant\nname: {object}\n")).unwrap();
        };
        write("b.yml", "b");
        write("a.yaml", "a");
        write("c/d.yaml", "d");
        write(".hidden/e.yaml", "e");
        write("notes.txt", "f");
        let objects = read(&[folder.path().to_owned(), folder.path().join("notes.txt")], |_| None).unwrap();
        let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d", "f"]);
        assert!(matches!(read(&[folder.path().join("none")], |_| None), Err(ClientError::Unreadable { .. })));
    }
}

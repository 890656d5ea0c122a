//! `weir export`.

use std::collections::BTreeSet;
use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_core::json::Object;

use crate::ClientError;
use crate::connection::{Api, ConnectionSettings};
use crate::manifest::ManifestObject;
use crate::secrets::variable_name;

/// What is exported.
#[derive(Args, Clone, Debug)]
pub struct ExportSettings {
    /// Where from.
    #[command(flatten)]
    pub connection: ConnectionSettings,
    /// Only this kind: `provider`, `model`, …
    #[arg(long)]
    pub kind: Option<String>,
    /// Only what belongs to this tenant, by name or id.
    #[arg(long)]
    pub tenant: Option<String>,
}

#[derive(Deserialize)]
struct Export {
    objects: Vec<Exported>,
}

#[derive(Deserialize)]
struct Exported {
    kind: String,
    name: String,
    tenant: Option<String>,
    spec: Object,
    secret: Option<String>,
}

/// Writes all objects as YAML that `weir apply` takes, always in the same order. In the place of secrets are names of environment
/// variables.
pub async fn export(settings: &ExportSettings, out: &mut impl Write) -> Result<(), ClientError> {
    let api = Api::new(&settings.connection)?;
    let query = [("kind", &settings.kind), ("tenant", &settings.tenant)];
    let export: Export = api.get("export", &query).await?;
    let (objects, variables) = named(export.objects);
    if !variables.is_empty() {
        writeln!(out, "# Secrets that `weir apply` takes from the environment:")?;
        for variable in &variables {
            writeln!(out, "#   {variable}")?;
        }
    }
    for object in objects {
        let yaml = serde_saphyr::to_string(&object).map_err(|_| ClientError::Answer)?;
        write!(out, "---\n{}\n", yaml.trim_end())?;
    }
    Ok(())
}

/// The objects with the names of their secrets, and those names.
fn named(exported: Vec<Exported>) -> (Vec<ManifestObject>, Vec<String>) {
    let (mut objects, mut variables, mut taken) = (Vec::new(), Vec::new(), BTreeSet::new());
    for Exported { kind, name, tenant, mut spec, secret } in exported {
        if let Some(field) = secret {
            let variable = variable_name(tenant.as_deref(), &kind, &name, &field);
            // `a-b` and `a.b` are one name to a shell.
            let numbered = (2..).map(|number| format!("{variable}_{number}"));
            let variable = std::iter::once(variable.clone()).chain(numbered).find(|name| !taken.contains(name));
            let variable = variable.unwrap_or_default();
            taken.insert(variable.clone());
            spec.insert(field, json!({ "env": Value::from(variable.clone()) }));
            variables.push(variable);
        }
        objects.push(ManifestObject { kind, name, tenant, spec, place: String::new() });
    }
    (objects, variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_secrets_share_a_variable() {
        let provider = |name: &str| Exported {
            kind: "provider".into(),
            name: name.into(),
            tenant: None,
            spec: Object::new(),
            secret: Some("credential".into()),
        };
        let (_, variables) = named(vec![provider("a-b"), provider("a.b"), provider("c")]);
        let name = |end: &str| format!("WEIR_SECRET_PROVIDER_{end}");
        assert_eq!(variables, [name("A_B_CREDENTIAL"), name("A_B_CREDENTIAL_2"), name("C_CREDENTIAL")]);
    }
}

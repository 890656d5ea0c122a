//! Adds Weir to a bootstrap.

use serde_json::Value;

use crate::error::InstallError;
use crate::lines::{Insertion, Lines, inserted};
use crate::pieces;
use crate::settings::{EnvoySettings, Form};
use crate::sni;

const STATIC: &str = "static_resources";
const DYNAMIC: &str = "dynamic_resources";
const EXTENSIONS: &str = "bootstrap_extensions";

/// What came of it.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) text: String,
    pub(crate) insertions: Vec<Insertion>,
    pub(crate) notes: Vec<String>,
}

/// Adds lines, and nothing else.
pub(crate) fn merge(text: &str, settings: &EnvoySettings) -> Result<Merged, InstallError> {
    let before = parsed(text)?;
    let mut notes = Vec::new();
    conflicts(&before, &mut notes)?;
    let lines = Lines::of(text);
    let mut adding = Adding { lines: &lines, insertions: Vec::new() };

    adding.node(&before, settings);
    adding.dynamic(settings)?;
    adding.items("clusters", settings)?;
    match &settings.listener {
        Some(name) if settings.form == Form::Sni => {
            adding.chain(sni::listener(&before, name, settings)?, name, settings)?;
            notes.extend(sni::notes(&before, name));
        }
        _ => adding.items("listeners", settings)?,
    }
    if settings.form == Form::InternalListener {
        adding.extension(&before)?;
        notes.push(
            "Let a route of yours lead to Weir, as your own listener's routes go: `match: { prefix: / }`, `route: { cluster: \
             weir_gateway, timeout: 0s }`. Its listener must let bodies of 50 MiB pass, and must not buffer answers."
                .to_owned(),
        );
        addresses(&before, &mut notes);
    }
    let insertions = adding.insertions;
    let text = inserted(text, &insertions);
    let mut after = parsed(&text)?;
    if let Some(name) = settings.listener.as_ref().filter(|_| settings.form == Form::Sni) {
        sni::take_out(&mut after, name);
    }
    if let Some(path) = lost(&before, &after, "") {
        return Err(InstallError::Changed(path));
    }
    Ok(Merged { text, insertions, notes })
}

fn parsed(text: &str) -> Result<Value, InstallError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| InstallError::NotYaml(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(InstallError::NotYaml("it has no keys".to_owned())) }
}

fn conflicts(bootstrap: &Value, notes: &mut Vec<String>) -> Result<(), InstallError> {
    let dynamic = &bootstrap[DYNAMIC];
    if !dynamic["ads_config"].is_null() {
        let services = &dynamic["ads_config"]["grpc_services"];
        let first = services.get(0).unwrap_or(services);
        let name = first["envoy_grpc"]["cluster_name"].as_str().unwrap_or("dynamic_resources.ads_config");
        return Err(InstallError::OwnAds(name.to_owned()));
    }
    if !dynamic["cds_config"].is_null() {
        return Err(InstallError::OwnCds);
    }
    let named = |list: &str, name: &str| items(&bootstrap[STATIC][list]).iter().any(|item| item["name"] == name);
    for (kind, list, name) in [
        ("listener", "listeners", "weir"),
        ("cluster", "clusters", "weir_control_plane"),
        ("cluster", "clusters", "weir_gateway"),
    ] {
        if named(list, name) {
            return Err(InstallError::Taken { kind, name: name.to_owned() });
        }
    }
    if bootstrap["node"]["id"].is_null() && !bootstrap["node"].is_null() {
        notes.push("This bootstrap has no node.id: start each Envoy with a --service-node of its own.".to_owned());
    }
    if bootstrap["node"]["cluster"].is_null() && !bootstrap["node"].is_null() {
        notes.push("This bootstrap has no node.cluster: start Envoy with a --service-cluster.".to_owned());
    }
    if bootstrap["overload_manager"].is_null() {
        notes.push(
            "This bootstrap has no overload_manager. Weir holds bodies whole: bound the heap as `weir install envoy` without \
             --bootstrap shows."
                .to_owned(),
        );
    }
    Ok(())
}

/// Who says which address a client has.
fn addresses(bootstrap: &Value, notes: &mut Vec<String>) {
    notes.push(
        "Your listener counts as a proxy: `trusted_hops` of the gateway is 1, and more by those that stand before this Envoy. With 0 \
         no client's address is known, and keys with `source_cidrs` are refused."
            .to_owned(),
    );
    for name in believing_listeners(bootstrap) {
        notes.push(format!(
            "LISTENER `{name}` BELIEVES CLIENTS: it does not add their address to X-Forwarded-For, so that a client behind a route to \
             Weir could write any and pass the `source_cidrs` of a key. Set `use_remote_address: true` in its connection manager, \
             without `skip_xff_append`, before a route of it leads to Weir."
        ));
    }
}

/// The listeners with an HTTP connection manager that leaves `X-Forwarded-For` as it came.
fn believing_listeners(bootstrap: &Value) -> Vec<&str> {
    let believes = |filter: &Value| {
        let manager = &filter["typed_config"];
        let is_http = manager["@type"].as_str().is_some_and(|name| name.ends_with(".HttpConnectionManager"));
        is_http && (manager["use_remote_address"] != true || manager["skip_xff_append"] == true)
    };
    let mut found = Vec::new();
    for listener in items(&bootstrap[STATIC]["listeners"]) {
        let chains = items(&listener["filter_chains"]).iter().chain([&listener["default_filter_chain"]]);
        if chains.flat_map(|chain| items(&chain["filters"])).any(believes) {
            found.push(listener["name"].as_str().unwrap_or("(without a name)"));
        }
    }
    found
}

pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

struct Adding<'a> {
    lines: &'a Lines<'a>,
    insertions: Vec<Insertion>,
}

impl Adding<'_> {
    fn all(&self) -> std::ops::Range<usize> {
        0..self.lines.0.len()
    }

    fn at_the_end(&mut self, lines: Vec<String>) {
        self.insertions.push(Insertion { at: self.lines.0.len(), lines });
    }

    fn node(&mut self, before: &Value, settings: &EnvoySettings) {
        if before["node"].is_null() {
            let EnvoySettings { node_id, node_cluster, .. } = settings;
            self.at_the_end(vec![format!("node: {{ id: {node_id:?}, cluster: {node_cluster:?} }}")]);
        }
    }

    fn dynamic(&mut self, settings: &EnvoySettings) -> Result<(), InstallError> {
        match self.lines.find(self.all(), DYNAMIC) {
            Some(key) => {
                let width = self.block(key, DYNAMIC)?.unwrap_or(2);
                let lines = pieces::below([DYNAMIC, ""], width, settings)?;
                self.insertions.push(Insertion { at: key + 1, lines });
            }
            None => {
                let mut lines = vec![format!("{DYNAMIC}:")];
                lines.extend(pieces::below([DYNAMIC, ""], 2, settings)?);
                self.at_the_end(lines);
            }
        }
        Ok(())
    }

    /// Puts Weir's before those of a list of `static_resources`.
    fn items(&mut self, list: &str, settings: &EnvoySettings) -> Result<(), InstallError> {
        let outer = self.lines.find(self.all(), STATIC).ok_or_else(|| InstallError::Inline(STATIC.to_owned()))?;
        let width = self.block(outer, STATIC)?.unwrap_or(2);
        match self.lines.find(self.lines.below(outer), list) {
            Some(key) => {
                let items = self.block(key, &format!("{STATIC}.{list}"))?.unwrap_or(width);
                let lines = pieces::below([STATIC, list], items, settings)?;
                self.insertions.push(Insertion { at: key + 1, lines });
            }
            None => {
                let mut lines = vec![format!("{}{list}:", " ".repeat(width))];
                lines.extend(pieces::below([STATIC, list], width, settings)?);
                self.insertions.push(Insertion { at: outer + 1, lines });
            }
        }
        Ok(())
    }

    /// Puts Weir's filter chain before those of the listener at this place of the list.
    fn chain(&mut self, place: usize, name: &str, settings: &EnvoySettings) -> Result<(), InstallError> {
        let missing = || InstallError::NoListener(name.to_owned());
        let outer = self.lines.find(self.all(), STATIC).ok_or_else(|| InstallError::Inline(STATIC.to_owned()))?;
        let list = self.lines.find(self.lines.below(outer), "listeners").ok_or_else(missing)?;
        self.block(list, "static_resources.listeners")?;
        let listener = self.lines.item(self.lines.below(list), place).ok_or_else(missing)?;
        let key = self.lines.find_in_item(listener, "filter_chains").ok_or_else(missing)?;
        let width = self.block(key, &format!("{name}.filter_chains"))?.ok_or_else(missing)?;
        let lines = pieces::chain(width, settings)?;
        self.insertions.push(Insertion { at: key + 1, lines });
        Ok(())
    }

    fn extension(&mut self, before: &Value) -> Result<(), InstallError> {
        if items(&before[EXTENSIONS]).iter().any(|item| item["name"] == "envoy.bootstrap.internal_listener") {
            return Ok(());
        }
        let own: Vec<&str> = pieces::INTERNAL_LISTENERS.lines().collect();
        match self.lines.find(self.all(), EXTENSIONS) {
            Some(key) => {
                let width = self.block(key, EXTENSIONS)?.unwrap_or(0);
                self.insertions.push(Insertion { at: key + 1, lines: crate::lines::indented(&own, width) });
            }
            None => {
                let mut lines = vec![format!("{EXTENSIONS}:")];
                lines.extend(own.into_iter().map(str::to_owned));
                self.at_the_end(lines);
            }
        }
        Ok(())
    }

    /// The indentation of what stands below a key; `None`: nothing does.
    fn block(&self, key: usize, name: &str) -> Result<Option<usize>, InstallError> {
        if !self.lines.value(key).is_empty() {
            return Err(InstallError::Inline(name.to_owned()));
        }
        Ok(self.lines.indentation_in(self.lines.below(key)))
    }
}

/// The first thing of the one that the other does not have, by its path. Lists may have more at their beginning.
fn lost(before: &Value, after: &Value, path: &str) -> Option<String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match after.get(key) {
                // An empty key has no value until something is added below it.
                Some(_) if value.is_null() => None,
                Some(now) => lost(value, now, &path),
                None => Some(path),
            }
        }),
        (Value::Array(before), Value::Array(after)) => {
            let Some(added) = after.len().checked_sub(before.len()) else { return Some(path.to_owned()) };
            before
                .iter()
                .zip(after.iter().skip(added))
                .enumerate()
                .find_map(|(at, (one, now))| if one == now { None } else { Some(format!("{path}[{at}]")) })
        }
        (before, after) => (before != after).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests;

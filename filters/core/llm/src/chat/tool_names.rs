use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Part, Request, Response, ToolChoice};
use crate::schema::ToolNameRule;

/// How many digits of a digest tell names apart that begin alike.
const DIGITS: usize = 8;

/// What tools are called at a provider whose schema takes fewer names than the client's, one name for one tool. The client sees its own
/// again in answers ([`Self::restore`]) and streams ([`StreamOptions`](crate::stream::StreamOptions)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolNames {
    /// By the name at the provider.
    clients: BTreeMap<String, String>,
}

impl ToolNames {
    /// The client's name for a tool.
    pub fn client_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.clients.get(name).map_or(name, String::as_str)
    }

    /// Gives the calls of an answer the client's names.
    pub fn restore(&self, response: &mut Response) {
        if self.clients.is_empty() {
            return;
        }
        for part in &mut response.parts {
            if let Part::ToolCall(call) = part
                && let Some(name) = self.clients.get(&call.name)
            {
                call.name.clone_from(name);
            }
        }
    }

    /// Whether every tool keeps its name.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

/// The request with names that the rule allows, and what they stand for. Where all names are good nothing is copied.
pub(super) fn fitted<'a>(request: &'a Request, rule: Option<ToolNameRule>) -> (Cow<'a, Request>, ToolNames) {
    let Some(rule) = rule else { return (Cow::Borrowed(request), ToolNames::default()) };
    let (good, bad): (BTreeSet<&str>, BTreeSet<&str>) = names(request).partition(|name| rule.allows(name));
    if bad.is_empty() {
        return (Cow::Borrowed(request), ToolNames::default());
    }
    let mut clients = BTreeMap::new();
    let mut providers = BTreeMap::new();
    for name in bad {
        let fitted = fit(name, rule, |candidate| good.contains(candidate) || clients.contains_key(candidate));
        clients.insert(fitted.clone(), name.to_owned());
        providers.insert(name.to_owned(), fitted);
    }
    let mut fitted = request.clone();
    for name in names_mut(&mut fitted) {
        if let Some(new) = providers.get(name.as_str()) {
            name.clone_from(new);
        }
    }
    (Cow::Owned(fitted), ToolNames { clients })
}

/// The beginning of the name, cleaned, and digits that depend on all of it: the same in every turn of a conversation.
fn fit(name: &str, rule: ToolNameRule, is_taken: impl Fn(&str) -> bool) -> String {
    let room = rule.most_characters.saturating_sub(DIGITS.saturating_add(1));
    let clean = |character: char| if rule.allows_character(character) { character } else { '_' };
    let beginning: String = name.chars().take(room).map(clean).collect();
    let mut candidate = String::new();
    for attempt in 0_u32.. {
        let mut hasher = Sha256::new();
        hasher.update(name.as_bytes());
        hasher.update(attempt.to_le_bytes());
        let digits: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).take(DIGITS / 2).collect();
        candidate = format!("{beginning}_{digits}");
        if !is_taken(&candidate) {
            break;
        }
    }
    candidate
}

fn names(request: &Request) -> impl Iterator<Item = &str> {
    let tools = request.tools.iter().map(|tool| tool.name.as_str());
    let chosen = match &request.tool_choice {
        Some(ToolChoice::Named(name)) => Some(name.as_str()),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => None,
    };
    let called = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| {
        let Part::ToolCall(call) = part else { return None };
        Some(call.name.as_str())
    });
    tools.chain(chosen).chain(called)
}

fn names_mut(request: &mut Request) -> impl Iterator<Item = &mut String> {
    let tools = request.tools.iter_mut().map(|tool| &mut tool.name);
    let chosen = match &mut request.tool_choice {
        Some(ToolChoice::Named(name)) => Some(name),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => None,
    };
    let called = request.messages.iter_mut().flat_map(|message| &mut message.parts).filter_map(|part| {
        let Part::ToolCall(call) = part else { return None };
        Some(&mut call.name)
    });
    tools.chain(chosen).chain(called)
}

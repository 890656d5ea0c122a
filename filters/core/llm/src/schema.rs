//! The wire schemas that Weir speaks.
//!
//! All that is particular to one schema stands in its folder, behind [`Dialect`]. This registry lists them; nobody else names one.

mod anthropic;
mod bedrock;
mod dialect;
mod gemini;
mod members;
mod openai;
mod responses;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use crate::operation::without_query;
pub use dialect::{
    Counting, CredentialHeader, Dialect, Endpoint, Framing, Kind, LeftOut, ModelEntry, Setting, StreamReader,
    StreamWriter, ToolNameRule, Writing,
};

/// The first one answers where nothing says which schema a client speaks.
static REGISTRY: [&dyn Dialect; 4] = [&openai::OpenAi, &anthropic::Anthropic, &responses::Responses, &gemini::Gemini];

/// Schemas of providers that no client speaks here.
static OF_PROVIDERS_ALONE: [&dyn Dialect; 1] = [&bedrock::Converse];

/// A wire schema.
#[derive(Clone, Copy)]
pub struct Schema(pub(self) &'static dyn Dialect);

impl Schema {
    /// All that clients speak; providers speak these, too.
    pub fn all() -> impl Iterator<Item = Self> {
        REGISTRY.iter().map(|dialect| Self(*dialect))
    }

    /// All that providers speak.
    pub fn of_providers() -> impl Iterator<Item = Self> {
        Self::all().chain(OF_PROVIDERS_ALONE.iter().map(|dialect| Self(*dialect)))
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::of_providers().find(|schema| schema.name() == name)
    }

    /// The schema in which to answer a request for this path, also when the path is none of ours: that of the path, or else that of a
    /// header which only its clients send.
    pub fn of_path(path: &str, has_header: &dyn Fn(&str) -> bool) -> Self {
        let path = without_query(path);
        let fitting = |schema: &Self| {
            let prefixes = schema.path_prefixes().iter();
            prefixes.filter(|prefix| is_below(path, prefix)).map(|prefix| prefix.len()).max()
        };
        let by_path = Self::all().filter_map(|schema| Some((fitting(&schema)?, schema)));
        // Of two that fit equally well the first.
        let longest = by_path.reduce(|best, next| if next.0 > best.0 { next } else { best });
        longest.map(|(_, schema)| schema).or_else(|| Self::by_header(has_header)).unwrap_or_default()
    }

    /// The schema whose clients alone send a header that is there.
    pub(crate) fn by_header(has_header: &dyn Fn(&str) -> bool) -> Option<Self> {
        Self::all().find(|schema| schema.client_header().is_some_and(has_header))
    }
}

/// Whether a path is this one or lies below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Deref for Schema {
    type Target = dyn Dialect;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl Default for Schema {
    fn default() -> Self {
        let [first, ..] = REGISTRY;
        Self(first)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Schema {}

impl Hash for Schema {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;

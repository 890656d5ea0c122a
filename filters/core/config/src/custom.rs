//! What an administrator looks for: words of lists, hosts, patterns.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{Check, ConfigError};

/// The most entries of a profile.
const MOST_ENTRIES: usize = 50_000;
/// The most bytes of them together.
const MOST_BYTES: usize = 1024 * 1024;
/// The most characters of one entry of a list.
const LONGEST_ENTRY: usize = 100;
/// The most bytes of an entry that is looked for within words, from each of their letters on.
const LONGEST_PART: usize = 40;
/// The most patterns of a profile.
const MOST_PATTERNS: usize = 20;

/// What an administrator looks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomRule {
    /// For people: 1 to 100 characters.
    pub name: String,
    /// What the entries are.
    pub kind: CustomKind,
    /// Words, hosts or patterns.
    pub entries: Entries,
    /// Whether capital letters and small ones are told apart. Default false.
    #[serde(default)]
    pub case_sensitive: bool,
    /// Of keywords: whether they are found within longer words too. Default false.
    #[serde(default)]
    pub parts_of_words: bool,
}

/// What the entries of a custom rule are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomKind {
    /// Words and phrases; a blank stands for up to four.
    Keywords,
    /// Names of hosts, each with all beneath it.
    Hosts,
    /// Regular expressions that match a bounded number of bytes.
    Patterns,
}

impl CustomKind {
    /// The fixed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keywords => "keywords",
            Self::Hosts => "hosts",
            Self::Patterns => "patterns",
        }
    }

    /// What is called so; `None`: a later version's.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Keywords, Self::Hosts, Self::Patterns].into_iter().find(|kind| kind.name() == name)
    }
}

/// The entries of a custom rule. Cheap to clone; two are the same if their digests are.
#[derive(Clone, Debug)]
pub struct Entries {
    digest: [u8; 32],
    list: Arc<[String]>,
}

impl Entries {
    /// These.
    pub fn new(list: Vec<String>) -> Self {
        let mut digest = Sha256::new();
        for entry in &list {
            digest.update(u64::try_from(entry.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(entry);
        }
        Self { digest: digest.finalize().into(), list: list.into() }
    }

    /// SHA-256 over each entry's length and bytes.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Memory that they take.
    pub fn bytes(&self) -> usize {
        self.list.iter().map(|entry| entry.len().saturating_add(size_of::<String>())).fold(0, usize::saturating_add)
    }

    /// The entries in their order.
    pub fn list(&self) -> &[String] {
        &self.list
    }
}

/// Entries as long as somebody uses them.
#[derive(Clone, Debug)]
pub struct WeakEntries {
    digest: [u8; 32],
    list: Weak<[String]>,
}

impl WeakEntries {
    /// The entries, if somebody uses them still.
    pub fn upgrade(&self) -> Option<Entries> {
        self.list.upgrade().map(|list| Entries { digest: self.digest, list })
    }
}

impl Entries {
    /// These, without keeping them.
    pub fn downgrade(&self) -> WeakEntries {
        WeakEntries { digest: self.digest, list: Arc::downgrade(&self.list) }
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Entries {}

impl Hash for Entries {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list.iter())
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::new)
    }
}

/// Refuses more entries than `profiles` profiles may have, in all their rules together.
pub(crate) fn check_together<'a>(
    rules: impl Iterator<Item = &'a CustomRule> + Clone,
    profiles: usize,
) -> Result<(), ConfigError> {
    let [most_entries, most_bytes, most_patterns] =
        [MOST_ENTRIES, MOST_BYTES, MOST_PATTERNS].map(|most| most.saturating_mul(profiles));
    let entries = || rules.clone().flat_map(|rule| rule.entries.list());
    let bytes = entries().map(String::len).fold(0, usize::saturating_add);
    let patterns = rules.clone().filter(|rule| rule.kind == CustomKind::Patterns);
    if entries().count() > most_entries || bytes > most_bytes {
        return Err(ConfigError::new(
            "rules",
            format!("may have {most_entries} entries of {most_bytes} bytes together"),
        ));
    }
    if patterns.flat_map(|rule| rule.entries.list()).count() > most_patterns {
        return Err(ConfigError::new("rules", format!("may have {most_patterns} patterns together")));
    }
    Ok(())
}

impl Check for CustomRule {
    fn check(&self) -> Result<(), ConfigError> {
        if !(1..=100).contains(&self.name.chars().count()) || self.name.chars().any(char::is_control) {
            return Err(ConfigError::new("name", "must have 1 to 100 characters, and no control characters"));
        }
        let entries = self.entries.list();
        if entries.is_empty() {
            return Err(ConfigError::new("entries", "must have at least one"));
        }
        if self.kind == CustomKind::Patterns {
            return Ok(());
        }
        for (index, entry) in entries.iter().enumerate() {
            let refuse = |reason: &str| Err(ConfigError::new(format!("entries.{index}"), reason));
            if !(1..=LONGEST_ENTRY).contains(&entry.trim().chars().count()) {
                return refuse("must have 1 to 100 characters that are not blank");
            }
            if self.parts_of_words && !(3..=LONGEST_PART).contains(&entry.trim().len()) {
                return refuse("must have 3 to 40 bytes to be looked for within words");
            }
            let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if self.kind == CustomKind::Hosts && (!entry.contains('.') || !entry.bytes().all(is_of_host)) {
                return refuse("must be the name of a host, such as example.com");
            }
        }
        Ok(())
    }
}

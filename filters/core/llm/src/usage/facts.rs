//! What an answer says beside the figures of its usage: what it is billed by, and its words for the record.

use crate::json::Fields;

/// Bytes of a usage that is kept as it was said; a longer one is not kept.
const LONGEST: usize = 2_048;
/// Characters of a tier's name.
const LONGEST_TIER: usize = 48;
/// The most searches of one answer that are believed.
const MOST_SEARCHES: u64 = 1_000_000;
/// Where an event has the answer that it tells of.
const WITHIN: [&str; 2] = ["message", "response"];
/// What an answer's usage is called.
const USAGES: [&str; 2] = ["usage", "usageMetadata"];
/// What stands before the name of a tier that is paid by use.
const BY_USE: &str = "on_demand_";
/// What the names of a tier say of the one that everybody gets.
const STANDARD: [&str; 7] = ["standard", "default", "auto", "normal", "on_demand", "global", "not_available"];

/// What an answer, or an event of a stream, says besides its figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its `usage`, byte for byte; `None`: there is none, or it is too long.
    pub raw: Option<String>,
    /// What served: the service tier, the speed and the region, in lower case and joined by `+`, without those that everybody gets.
    /// `None`: it says nothing of it; empty: what everybody gets.
    pub tier: Option<String>,
    /// Searches of the web that the provider did; `None`: it says nothing of it.
    pub web_searches: Option<u64>,
}

impl Facts {
    /// Reads a whole answer, or the data of an event that has a usage.
    pub fn read(document: &str) -> Self {
        Fields::of(document).map(|top| Self::of(&top)).unwrap_or_default()
    }

    /// The same of a document whose top level was read.
    pub(crate) fn of(top: &Fields<'_>) -> Self {
        let inner = WITHIN.iter().find_map(|name| Fields::of(top.get(name)?));
        let beside = |name: &str| top.get(name).or_else(|| inner.as_ref()?.get(name)).filter(|value| *value != "null");
        let usage = USAGES.iter().find_map(|name| beside(name));
        let fields = usage.and_then(Fields::of);
        let within = |name: &str| fields.as_ref()?.get(name).filter(|value| *value != "null");
        let parts = [
            ("", within("service_tier").or_else(|| within("trafficType")).or_else(|| beside("service_tier"))),
            ("", within("speed")),
            ("geo_", within("inference_geo")),
        ];
        let tools = [("server_tool_use", "web_search_requests"), ("web_search", "num_requests")];
        let of_tools = beside("tool_usage").and_then(Fields::of);
        let searches = tools.iter().find_map(|(name, count)| {
            let tool = within(name).or_else(|| of_tools.as_ref()?.get(name))?;
            Fields::of(tool)?.get(count)?.parse().ok()
        });
        Self {
            raw: usage.filter(|usage| usage.len() <= LONGEST).map(str::to_owned),
            tier: parts.iter().any(|(_, part)| part.is_some()).then(|| joined(&parts)),
            web_searches: searches.map(|searches: u64| searches.min(MOST_SEARCHES)),
        }
    }
}

impl Facts {
    /// Takes in what was said later: the last word holds.
    pub(crate) fn follow(&mut self, later: Self) {
        self.raw = later.raw.or(self.raw.take());
        self.tier = later.tier.or(self.tier.take());
        self.web_searches = later.web_searches.or(self.web_searches);
    }
}

fn joined(parts: &[(&str, Option<&str>)]) -> String {
    let mut tier = String::new();
    for (prefix, part) in parts {
        let Some(name) = part.and_then(name).filter(|name| !STANDARD.contains(&name.as_str())) else { continue };
        if !tier.is_empty() {
            tier.push('+');
        }
        tier.push_str(prefix);
        tier.push_str(&name);
    }
    tier
}

/// A JSON string as a name: what is no letter, digit, `-` or `_` is left out.
fn name(json: &str) -> Option<String> {
    let text = crate::json::parse::<String>(json).ok()?;
    let kept = text.chars().filter(|letter| letter.is_ascii_alphanumeric() || ['-', '_'].contains(letter));
    let name = kept.take(LONGEST_TIER).collect::<String>().to_ascii_lowercase();
    Some(name.strip_prefix(BY_USE).map(str::to_owned).unwrap_or(name)).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_served_is_read_wherever_it_stands() {
        let check = |document: &str, tier: Option<&str>, web_searches: Option<u64>| {
            let facts = Facts::read(document);
            assert_eq!((facts.tier.as_deref(), facts.web_searches), (tier, web_searches), "{document}");
        };
        check(r#"{"usage":{"prompt_tokens":1},"service_tier":"priority"}"#, Some("priority"), None);
        check(r#"{"usage":{"prompt_tokens":1},"service_tier":"default"}"#, Some(""), None);
        check(r#"{"usage":{"prompt_tokens":1},"service_tier":null}"#, None, None);
        check(r#"{"usage":{"input_tokens":1,"service_tier":"standard","speed":"fast"}}"#, Some("fast"), None);
        check(
            r#"{"type":"message_start","message":{"usage":{"service_tier":"priority","inference_geo":"US"}}}"#,
            Some("priority+geo_us"),
            None,
        );
        check(r#"{"usage":{"inference_geo":"global","server_tool_use":{"web_search_requests":3}}}"#, Some(""), Some(3));
        check(
            r#"{"response":{"usage":{},"service_tier":"flex","tool_usage":{"web_search":{"num_requests":2}}}}"#,
            Some("flex"),
            Some(2),
        );
        check(
            r#"{"usage":{"server_tool_use":{"web_search_requests":18446744073709551615}}}"#,
            None,
            Some(MOST_SEARCHES),
        );
        check(r#"{"usage":{"server_tool_use":{"web_search_requests":-1},"speed":7}}"#, Some(""), None);
        check(r#"{"usageMetadata":{"trafficType":"ON_DEMAND_PRIORITY"}}"#, Some("priority"), None);
        check(r#"{"usageMetadata":{"trafficType":"ON_DEMAND"}}"#, Some(""), None);
        check(r#"{"service_tier":"<script>\u0000"}"#, Some("script"), None);
        for odd in ["", "[]", "{", "7"] {
            check(odd, None, None);
        }
    }

    #[test]
    fn a_usage_is_kept_as_it_was_said_unless_it_is_long() {
        let said = r#"{ "prompt_tokens":1.0, "x":"\u0041" }"#;
        assert_eq!(Facts::read(&format!(r#"{{"usage":{said}}}"#)).raw.as_deref(), Some(said));
        let long = format!(r#"{{"usage":{{"x":"{}"}}}}"#, "y".repeat(LONGEST));
        assert_eq!(Facts::read(&long).raw, None);
    }
}

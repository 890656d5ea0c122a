//! A profile over the texts of a whole body.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use weir_config::Action;
use weir_llm::text::Text;

use crate::json_text::JsonText;
use crate::restore::Originals;
use crate::scan::{Direction, Finding, Profile, write_edited};
use weir_llm::steps;

/// What stands in the place of a text, and where that text stood.
pub(super) type Edit = (Range<usize>, String);

/// What a profile makes of a body.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// What was found.
    pub(super) findings: Vec<Finding>,
    /// What stands in the place of some texts.
    pub(super) texts: Vec<Edit>,
    /// What pseudonyms among that stand for.
    pub(super) originals: Originals,
}

impl Edits {
    /// Notes what stands in the place of a text, edited or not, with what pseudonyms in an answer stand for.
    fn replace(&mut self, profile: &Profile, direction: Direction, text: &Text, edited: Option<String>) {
        let originals = profile.originals().filter(|_| direction == Direction::Output);
        let passes = edited.as_deref().unwrap_or(&text.value);
        let restored = originals.map(|originals| originals.restored(passes)).filter(|restored| restored != passes);
        if let Some(edited) = restored.or(edited) {
            self.texts.push((text.span.clone(), text.replaced(edited)));
        }
    }

    fn keep_originals(&mut self, text: &str, findings: &[Finding]) {
        for finding in findings {
            if let Some((pseudonym, found)) = finding.pseudonym.zip(text.get(finding.start..finding.end)) {
                self.originals.add(pseudonym, found);
            }
        }
    }
}

/// Scans every text for itself, and those that a model reads as one together.
pub(super) fn of_body(profile: &Profile, direction: Direction, texts: &[Text]) -> Edits {
    let mut edits = Edits::default();
    let parts = joined(texts);
    for text in texts.iter().filter(|text| text.joined == 0 || parts.is_empty()) {
        let verdict = profile.apply(direction, &text.value);
        let edited = (verdict.action >= Action::Redact).then(|| verdict.text.into_owned());
        edits.replace(profile, direction, text, edited);
        edits.keep_originals(&text.value, &verdict.findings);
        edits.findings.extend(verdict.findings);
    }
    for group in parts.chunk_by(|one, other| one.joined == other.joined) {
        of_group(profile, direction, group, &mut edits);
    }
    edits.texts.sort_unstable_by_key(|(span, _)| span.start);
    distinct_names(texts.iter(), &mut edits.texts);
    edits
}

/// The texts that are read with others, those of one array together; none if no array has two.
fn joined(texts: &[Text]) -> Vec<&Text> {
    let mut parts: Vec<_> = texts.iter().filter(|text| text.joined != 0).collect();
    parts.sort_by_key(|text| text.joined);
    if parts.windows(2).any(|pair| matches!(pair, [one, other] if one.joined == other.joined)) {
        parts
    } else {
        Vec::new()
    }
}

/// What is found in a part for itself is found whatever stands beside it; what only the parts together have is replaced in each.
fn of_group(profile: &Profile, direction: Direction, group: &[&Text], edits: &mut Edits) {
    let whole: String = group.iter().map(|text| text.value.as_str()).collect();
    let mut start = 0_usize;
    let mut parts = Vec::new();
    for text in group {
        let end = start.saturating_add(text.value.len());
        parts.push((start..end, profile.scan(direction, &text.value)));
        start = end;
    }
    let mut own =
        parts.iter().flat_map(|(span, findings)| findings.iter().map(|it| shifted(it, span.start))).peekable();
    // What stands in several parts is in none of them for itself, to be restored there.
    let mut together = if group.len() > 1 { profile.scan(direction, &whole) } else { Vec::new() };
    together.retain(|finding| {
        while own.next_if(|own| own.end <= finding.start).is_some() {
            steps::count(1);
        }
        own.peek().is_none_or(|own| own.start >= finding.end)
    });
    drop(own);
    let mut rest = together.as_slice();
    for (text, (span, mut findings)) in group.iter().zip(parts) {
        edits.findings.extend(findings.iter().copied());
        rest = rest.get(rest.partition_point(|finding| finding.end <= span.start)..).unwrap_or_default();
        for finding in rest.iter().take_while(|finding| finding.start < span.end) {
            steps::count(1);
            let within = |at: usize| at.clamp(span.start, span.end).saturating_sub(span.start);
            findings.push(Finding {
                start: within(finding.start),
                end: within(finding.end),
                pseudonym: None,
                ..*finding
            });
        }
        findings.sort_unstable_by_key(|finding| finding.start);
        let edited = findings.iter().any(|finding| finding.action >= Action::Redact).then(|| {
            let mut edited = String::with_capacity(text.value.len());
            let json = &mut JsonText::default();
            write_edited(&text.value, 0..text.value.len(), &findings, json, &mut edited);
            edited
        });
        edits.replace(profile, direction, text, edited);
        edits.keep_originals(&text.value, &findings);
    }
    edits.findings.extend(together);
}

fn shifted(finding: &Finding, by: usize) -> Finding {
    Finding { start: finding.start.saturating_add(by), end: finding.end.saturating_add(by), ..*finding }
}

/// Two names of one object that became the same by their edits are told apart: `[EMAIL]`, `[EMAIL_2]`. Texts and edits are in their
/// order.
pub(super) fn distinct_names<'a>(texts: impl Iterator<Item = &'a Text>, edits: &mut [Edit]) {
    let mut taken = BTreeSet::new();
    let mut last = BTreeMap::new();
    let mut at = 0_usize;
    let mut names = Vec::new();
    for text in texts {
        steps::count(1);
        while edits.get(at).is_some_and(|(span, _)| span.start < text.span.start) {
            at = at.saturating_add(1);
            steps::count(1);
        }
        let is_edited = edits.get(at).is_some_and(|(span, _)| span.start == text.span.start);
        match (text.name_of, is_edited) {
            (0, _) => {}
            (object, true) => names.push((object, at)),
            (object, false) if text.value.contains('[') => _ = taken.insert((object, text.value.clone())),
            (_, false) => {}
        }
    }
    for (object, at) in names {
        let Some((_, name)) = edits.get_mut(at) else { continue };
        let number = last.entry((object, name.clone())).or_insert(1_u32);
        let mut distinct = name.clone();
        while !taken.insert((object, distinct.clone())) {
            *number = number.saturating_add(1);
            steps::count(1);
            distinct = numbered(name, *number);
        }
        *name = distinct;
    }
}

fn numbered(name: &str, number: u32) -> String {
    match name.strip_suffix(']') {
        Some(open) => format!("{open}_{number}]"),
        None => format!("{name}_{number}"),
    }
}

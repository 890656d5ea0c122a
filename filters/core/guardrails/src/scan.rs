//! The engine: a profile's rules over a text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use regex_automata::meta::Regex;
use regex_automata::{Input, util::syntax};
use weir_config::{
    Action, ConfigError, FindingType, GuardrailProfile, GuardrailRule, RedactForm, RuleDirection, Uninspectable,
};
use weir_exchange::{FindingDigest, FindingKey, MOST_DIGESTS};

use crate::consequence::{Consequence, Consequences, replacement};
use crate::custom::{CustomRules, Searches};
use crate::detect::{self, CONTEXT, Detector, FARTHEST_TRIGGER, Match, Runs, Trigger};
use crate::json_text::JsonText;
use crate::merge::{Merger, Span};
use crate::restore::{Originals, Pseudonym};
use crate::view::{Form, View};
use crate::words::WordRules;
use weir_llm::steps;

/// Which way a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the model.
    Input,
    /// From the model to the client.
    Output,
}

/// Something that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Who found it.
    pub detector: &'static str,
    /// What it is.
    pub finding: FindingType,
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// How sure the detector is, from 0 to 1.
    pub score: f32,
    /// The place of an administrator's rule among those of the profile.
    pub rule: Option<u16>,
    /// What the profile wants done; [`Action::Allow`] of a rule that only tells.
    pub action: Action,
    /// What a rule in shadow would have done.
    pub would: Option<Action>,
    /// What stands in its place, if anything does.
    pub form: RedactForm,
    /// By what findings of the same text are known; `None`: no key is known, or there are many findings.
    pub digest: Option<FindingDigest>,
    /// What stands for it until the answer is back.
    pub pseudonym: Option<Pseudonym>,
}

impl Finding {
    pub(crate) fn of(span: &Span) -> Self {
        Self {
            detector: span.detector,
            finding: span.finding,
            start: span.start,
            end: span.end,
            score: f32::from(span.score) / 100.0,
            rule: span.rule,
            action: span.consequence.action,
            would: span.consequence.would,
            form: span.consequence.form,
            digest: None,
            pseudonym: None,
        }
    }

    /// What is told of it: the name of what was done, or would have been.
    pub(crate) fn action_name(&self) -> &'static str {
        self.would.map_or(self.action.name(), Action::name_in_shadow)
    }
}

/// What becomes of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict<'a> {
    /// The strictest action among the findings; [`Action::Allow`] if there are none.
    pub action: Action,
    /// The text as it may pass: findings to redact are replaced. Findings that block are replaced too, so that this can be
    /// shown; such a text does not pass.
    pub text: Cow<'a, str>,
    /// In the order of the text; they do not overlap.
    pub findings: Vec<Finding>,
}

/// A profile, ready to scan. Cheap to clone; clones share what the engine learns.
#[derive(Clone, Debug)]
pub struct Profile {
    input: Arc<Rules>,
    output: Arc<Rules>,
    uninspectable: Uninspectable,
    /// A rule replaces what it finds in a request by pseudonyms.
    gives_pseudonyms: bool,
    /// Names of an administrator's rules, by their places.
    names: Arc<[String]>,
    /// Makes the digests of what is found.
    key: Option<Arc<FindingKey>>,
    /// Makes pseudonyms where there is no such key.
    request_key: Option<Arc<FindingKey>>,
    /// What pseudonyms in the answer stand for.
    originals: Option<Arc<Originals>>,
}

impl Profile {
    /// Makes a profile ready. Refuses one without rules, naming the field.
    pub fn compile(profile: &GuardrailProfile) -> Result<Self, ConfigError> {
        Self::compile_with(profile, &mut Engines::default())
    }

    /// The same for one of many profiles.
    pub(crate) fn compile_with(profile: &GuardrailProfile, engines: &mut Engines) -> Result<Self, ConfigError> {
        if profile.rules.is_empty() && profile.judges.is_empty() {
            return Err(ConfigError::new("rules", "must name at least one rule"));
        }
        let input = Arc::new(Rules::compile(&profile.rules, RuleDirection::Input, engines)?);
        let output = Arc::new(Rules::compile(&profile.rules, RuleDirection::Output, engines)?);
        let gives_pseudonyms =
            profile.rules.iter().any(|rule| rule.form == RedactForm::Pseudonym && rule.holds_in(RuleDirection::Input));
        let name = |rule: &GuardrailRule| rule.custom.as_ref().map(|custom| custom.name.clone()).unwrap_or_default();
        let names = profile.rules.iter().map(name).collect();
        let uninspectable = profile.uninspectable;
        Ok(Self {
            input,
            output,
            uninspectable,
            gives_pseudonyms,
            names,
            key: None,
            request_key: None,
            originals: None,
        })
    }

    /// The same, with digests of what it finds.
    pub fn with_key(self, key: Option<Arc<FindingKey>>) -> Self {
        Self { key, ..self }
    }

    /// The same for a request: what a rule replaces by a pseudonym has one under the tenant's key, or else under this one.
    pub fn with_request_key(self, request_key: Option<FindingKey>) -> Self {
        Self { request_key: request_key.map(Arc::new), ..self }
    }

    /// The same for the answer to a request in which pseudonyms stand for these.
    pub(crate) fn restoring(self, originals: Originals) -> Self {
        let originals = Some(Arc::new(originals)).filter(|originals| !originals.is_empty());
        Self { originals, ..self }
    }

    /// What pseudonyms in the answer stand for; `None`: there are none.
    pub(crate) fn originals(&self) -> Option<&Originals> {
        self.originals.as_deref()
    }

    /// Whether a rule replaces what it finds in a request by pseudonyms.
    pub(crate) fn gives_pseudonyms(&self) -> bool {
        self.gives_pseudonyms
    }

    /// Gives the first findings in a text their digests, all in whose place one stands, and pseudonyms to those of a request.
    pub(crate) fn digest(&self, direction: Direction, text: &str, findings: &mut [Finding]) {
        let gives_pseudonyms = self.gives_pseudonyms && direction == Direction::Input;
        for (index, finding) in findings.iter_mut().enumerate() {
            let Some(found) = text.get(finding.start..finding.end) else { continue };
            let needs_one = index < MOST_DIGESTS || finding.form == RedactForm::Hash;
            if let Some(key) = self.key.as_ref().filter(|_| needs_one) {
                finding.digest = Some(key.digest(finding.finding, found));
            }
            let is_replaced = finding.action == Action::Redact && finding.form == RedactForm::Pseudonym;
            // Within escapes it would not be restored as it was.
            if gives_pseudonyms && is_replaced && !found.contains('\\') {
                let key = self.key.as_ref().or(self.request_key.as_ref());
                let digest = finding.digest.or_else(|| Some(key?.digest(finding.finding, found)));
                finding.pseudonym = digest.as_ref().map(Pseudonym::of);
            }
        }
    }

    /// What is found in a text, in its order; overlapping finds are merged, the strictest action wins. Allocates nothing when
    /// nothing is found.
    pub fn scan(&self, direction: Direction, text: &str) -> Vec<Finding> {
        let mut findings = self.rules(direction).scan(text);
        self.digest(direction, text, &mut findings);
        findings
    }

    /// What becomes of a text. Allocates nothing when nothing is found.
    pub fn apply<'a>(&self, direction: Direction, text: &'a str) -> Verdict<'a> {
        let findings = self.scan(direction, text);
        let action = findings.iter().map(|finding| finding.action).max().unwrap_or(Action::Allow);
        let text = if action < Action::Redact {
            Cow::Borrowed(text)
        } else {
            let mut edited = String::with_capacity(text.len());
            write_edited(text, 0..text.len(), &findings, &mut JsonText::default(), &mut edited);
            Cow::Owned(edited)
        };
        Verdict { action, text, findings }
    }

    /// Who found something: a detector, or the name of an administrator's rule.
    pub fn detector_of<'a>(&'a self, finding: &Finding) -> &'a str {
        let rule = finding.rule.and_then(|rule| self.names.get(usize::from(rule)));
        rule.map_or(finding.detector, String::as_str)
    }

    /// Memory that it takes for itself, beyond what it has in common with all others.
    pub(crate) fn bytes(&self) -> usize {
        self.input.custom.bytes().saturating_add(self.output.custom.bytes())
    }

    /// Whether anything is looked for in this direction.
    pub fn watches(&self, direction: Direction) -> bool {
        let rules = self.rules(direction);
        rules.engine.is_some() || rules.words.is_some() || !rules.custom.is_empty()
    }

    /// What becomes of a request with something that cannot be read.
    pub(crate) fn uninspectable(&self) -> Uninspectable {
        self.uninspectable
    }

    /// Whether anything is replaced or refused in this direction.
    pub(crate) fn edits(&self, direction: Direction) -> bool {
        let rules = self.rules(direction);
        let of_words = rules.words.as_ref().and_then(WordRules::strictest);
        rules
            .enabled
            .iter()
            .filter_map(|(_, of_type)| of_type.strictest())
            .chain(of_words)
            .chain(rules.custom.strictest())
            .any(|action| action >= Action::Redact)
            || (direction == Direction::Output && self.originals.is_some())
    }

    pub(crate) fn rules(&self, direction: Direction) -> &Rules {
        match direction {
            Direction::Input => &self.input,
            Direction::Output => &self.output,
        }
    }
}

/// Every detector in both directions, redacting: the profile named `all`.
pub fn all_rules() -> Vec<GuardrailRule> {
    FindingType::ALL
        .into_iter()
        .map(|finding| GuardrailRule::new(finding, Action::Redact, RuleDirection::Both))
        .collect()
}

/// A detector, and what becomes of what it finds.
type Enabled = (&'static dyn Detector, Arc<Consequences>);

/// A profile's rules for one direction.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Who looks, and what becomes of what they find.
    enabled: Vec<Enabled>,
    /// Those of them that are asked what is undecided.
    waiting: Vec<&'static dyn Detector>,
    /// By what they are called, in the order of the engine's patterns, and which of them by each.
    triggers: Vec<(Trigger, Vec<Enabled>)>,
    /// The patterns of all triggers; `None` if there are none.
    engine: Option<Arc<Regex>>,
    /// What is looked for at every word.
    words: Option<WordRules>,
    /// What an administrator looks for.
    custom: CustomRules,
}

impl Rules {
    fn compile(rules: &[GuardrailRule], direction: RuleDirection, engines: &mut Engines) -> Result<Self, ConfigError> {
        let of_type = |finding| {
            let applies = |rule: &&GuardrailRule| rule.finding == finding && rule.holds_in(direction);
            Consequences::of(rules.iter().filter(applies))
        };
        let enabled: Vec<_> = FindingType::ALL
            .into_iter()
            .filter_map(|finding| Some((finding, Arc::new(of_type(finding)?))))
            .flat_map(|(finding, of_type)| {
                detect::of_type(finding).map(move |detector| (detector, Arc::clone(&of_type)))
            })
            .collect();
        let mut waiting: Vec<&'static dyn Detector> = enabled.iter().map(|(detector, _)| *detector).collect();
        waiting.sort_by_key(|detector| detector.waits_like());
        waiting.dedup_by_key(|detector| detector.waits_like());
        let called_by = |trigger: Trigger| -> Vec<_> {
            enabled.iter().filter(|(detector, _)| detector.triggers().contains(&trigger)).cloned().collect()
        };
        let triggers: Vec<_> = Trigger::ALL
            .into_iter()
            .map(|trigger| (trigger, called_by(trigger)))
            .filter(|(_, called)| !called.is_empty())
            .collect();
        let custom = CustomRules::of(rules, direction, &mut engines.searches)?;
        let engine = if triggers.is_empty() {
            None
        } else {
            Some(engines.of_triggers(triggers.iter().map(|(trigger, _)| *trigger).collect())?)
        };
        Ok(Self { enabled, waiting, triggers, engine, words: WordRules::of(of_type), custom })
    }

    fn scan(&self, text: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        self.matches(text.as_bytes(), 0, 0..text.len(), &mut found);
        let mut merger = Merger::default();
        let mut findings = Vec::new();
        for (found, consequence) in found {
            findings.extend(merger.add(found, consequence).as_ref().map(Finding::of));
        }
        findings.extend(merger.close_before(usize::MAX).map(|span| Finding::of(&span)));
        findings.sort_by_key(|finding| (finding.start, finding.would));
        findings
    }

    /// The matches that begin in `starts`, in the order of their starts, of a text that follows so many characters without width. They
    /// begin and end where characters do.
    pub(crate) fn matches(
        &self,
        text: &[u8],
        hidden: u8,
        starts: std::ops::Range<usize>,
        found: &mut Vec<(Match, Consequence)>,
    ) {
        if starts.is_empty() {
            return;
        }
        let view = View::of(text, hidden, Form::Plain);
        let read = view.place(starts.start)..view.place(starts.end);
        if let Some(words) = &self.words {
            words.matches(view.bytes(), read.clone(), found);
        }
        if let Some(engine) = &self.engine {
            self.triggered(engine, view.bytes(), read, found);
        }
        if !view.is_the_text() {
            for (one, _) in found.iter_mut() {
                let (start, end) = (view.start(one.start), view.end(one.end));
                *one = Match { start, end, ..*one }.on_characters(text);
            }
            // What is left out may part what it stands between: nobody hides a number by putting it there.
            if let Some(engine) = self.engine.as_ref().filter(|_| view.differs()) {
                self.triggered(engine, text, starts.clone(), found);
            }
        }
        self.custom.matches(text, hidden, starts, found);
        steps::count(found.len());
        found.sort_unstable();
        found.dedup();
    }

    /// The matches of the detectors that are called by a trigger.
    fn triggered(
        &self,
        engine: &Regex,
        text: &[u8],
        starts: std::ops::Range<usize>,
        found: &mut Vec<(Match, Consequence)>,
    ) {
        // What leads to a match may stand before it, or within it.
        let from = starts.start.saturating_sub(CONTEXT);
        let until = starts.end.saturating_add(FARTHEST_TRIGGER);
        let mut runs = Runs::default();
        let mut read = from;
        for place in engine.find_iter(Input::new(text).range(from..)) {
            steps::count(place.end().saturating_sub(read));
            read = place.end();
            if place.start() > until {
                break;
            }
            let Some((_, called)) = self.triggers.get(place.pattern().as_usize()) else { continue };
            for (detector, of_type) in called {
                detector.matches(text, place.range(), &mut runs, &mut |one| {
                    debug_assert!(place.start() <= one.start.saturating_add(FARTHEST_TRIGGER), "{one:?} by {place:?}");
                    if starts.contains(&one.start) {
                        let one = one.on_characters(text);
                        found.extend(of_type.of_score(one.score).map(|consequence| (one, consequence)));
                    }
                });
            }
        }
    }

    /// Whether the sign of an address is in a text.
    pub(crate) fn has_sign(&self, text: &[u8]) -> bool {
        let is_sign = |pattern: usize| matches!(self.triggers.get(pattern), Some((Trigger::At, _)));
        self.engine
            .as_ref()
            .is_some_and(|engine| engine.find_iter(text).any(|place| is_sign(place.pattern().as_usize())))
    }

    /// The first byte, at or after `from`, of what is not decided before more text is here.
    pub(crate) fn undecided(&self, text: &[u8], hidden: u8, from: usize) -> usize {
        let view = View::of(text, hidden, Form::Plain);
        let (read, place) = (view.bytes(), view.place(from));
        let of_words = self.words.as_ref().map(|words| words.undecided(read, place));
        let first = self.waiting.iter().map(|detector| detector.undecided(read, place)).chain(of_words).min();
        let mut first = view.start(first.unwrap_or(read.len())).min(self.custom.undecided(text, hidden, from));
        if view.differs() {
            let of_text = self.waiting.iter().map(|detector| detector.undecided(text, from)).min();
            first = first.min(of_text.unwrap_or(text.len()));
        }
        detect::character_start(text, first)
    }
}

/// Engines by their triggers: profiles that look for the same share one, and its memory.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    of_triggers: BTreeMap<Vec<Trigger>, Arc<Regex>>,
    searches: Searches,
}

impl Engines {
    fn of_triggers(&mut self, triggers: Vec<Trigger>) -> Result<Arc<Regex>, ConfigError> {
        if let Some(engine) = self.of_triggers.get(&triggers) {
            return Ok(Arc::clone(engine));
        }
        let patterns: Vec<_> = triggers.iter().map(|trigger| trigger.pattern()).collect();
        let engine = Regex::builder()
            .configure(Regex::config().utf8_empty(false))
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_many(&patterns)
            .map_err(|error| ConfigError::new("rules", error.to_string()))?;
        // The automaton is built lazily, state by state: let the configuration pay for the first ones, not a request.
        let _ = engine.find_iter("4111 1111 1111 1111, a@b.com and more").count();
        let engine = Arc::new(engine);
        self.of_triggers.insert(triggers, Arc::clone(&engine));
        Ok(engine)
    }
}

/// Adds `range` of a text to `out`, with the findings in it that are to be replaced. The findings are in order; of one that began
/// before the range the rest is replaced.
pub(crate) fn write_edited(
    text: &str,
    range: std::ops::Range<usize>,
    findings: &[Finding],
    json: &mut JsonText,
    out: &mut String,
) {
    let mut written = range.start;
    for finding in findings.iter().filter(|finding| finding.action >= Action::Redact && finding.end > range.start) {
        let passed = text.get(written..finding.start).unwrap_or_default();
        json.pass(passed);
        out.push_str(passed);
        let found = text.get(finding.start..finding.end).unwrap_or_default();
        // What of it was let go is not written again.
        let rest = text.get(finding.start.max(range.start)..finding.end).unwrap_or_default();
        let placeholder = finding.finding.placeholder();
        match finding.pseudonym {
            Some(pseudonym) => json.replace_distinct(found, &pseudonym.within(placeholder), out),
            None => {
                let text = replacement(rest, placeholder, finding.form, finding.digest.as_ref());
                json.replace(found, finding.finding, &text, out);
            }
        }
        written = finding.end;
    }
    let passed = text.get(written..range.end).unwrap_or_default();
    json.pass(passed);
    out.push_str(passed);
}

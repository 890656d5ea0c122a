//! How well the detectors find what people have marked, with the code that runs in the filter.
//!
//! ```text
//! cargo run --release -p weir-guardrails --example evaluate -- [--show N] [--as IN_VOTER=IN_VOTER_ID]… [--labels TYPE] FILE…
//! ```
//!
//! A file holds a JSON object a line: `{"text", "spans": [{"start", "end", "type"}]}` with places in Unicode characters,
//! `{"input", "valid", "kind"}` for one value alone, or `{"text", "label"}` with 1 where something of the type that `--labels` names
//! (`SECRET`) is in the text, and 0 where nothing is. A find is right if it shares at least half of its characters with a span of its
//! type. `--show` prints so many mistakes of each kind.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;

use serde_json::Value;
use weir_config::{FindingType, GuardrailProfile};
use weir_guardrails::{Direction, Profile, all_rules};

fn main() -> Result<(), Box<dyn Error>> {
    let mut evaluation = Evaluation::new()?;
    let mut arguments = std::env::args().skip(1);
    let mut shown = 0;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--show" => shown = value()?.parse()?,
            "--as" => {
                let value = value()?;
                let (theirs, ours) = value.split_once('=').ok_or("--as takes THEIRS=OURS")?;
                evaluation.names.insert(theirs.to_owned(), ours.to_owned());
            }
            "--labels" => evaluation.labels = value()?,
            file => evaluation.read(file)?,
        }
    }
    evaluation.report(shown);
    Ok(())
}

/// What one type of one file gave.
#[derive(Default)]
struct Tally {
    right: usize,
    wrong: usize,
    missed: usize,
}

/// Characters of a text that are shown of a mistake.
const LONGEST_NOTE: usize = 240;

struct Evaluation {
    profile: Profile,
    /// The type that labels speak of.
    labels: String,
    /// Our names of their types.
    names: BTreeMap<String, String>,
    /// By file and type.
    tallies: BTreeMap<(String, String), Tally>,
    /// By file: texts in which there is nothing to be found, and those in which something was.
    clean: BTreeMap<String, (usize, usize)>,
    /// By file, type and what went wrong.
    mistakes: BTreeMap<(String, String, &'static str), Vec<String>>,
}

impl Evaluation {
    fn new() -> Result<Self, Box<dyn Error>> {
        let profile = GuardrailProfile::new("all", all_rules());
        let profile = Profile::compile(&profile)?;
        Ok(Self {
            profile,
            labels: "SECRET".into(),
            names: BTreeMap::new(),
            tallies: BTreeMap::new(),
            clean: BTreeMap::new(),
            mistakes: BTreeMap::new(),
        })
    }

    fn read(&mut self, file: &str) -> Result<(), Box<dyn Error>> {
        let name = file.rsplit('/').next().unwrap_or(file).to_owned();
        for line in std::fs::read_to_string(file)?.lines() {
            let row: Value = serde_json::from_str(line)?;
            match row["input"].as_str() {
                Some(input) => self.value(&name, input, &row),
                None => {
                    let text = row["text"].as_str().ok_or("a row without a text")?;
                    match row["label"].as_i64() {
                        Some(label) => self.labelled(&name, text, label == 1),
                        None => self.text(&name, text, &row),
                    }
                }
            }
        }
        Ok(())
    }

    /// A value alone, right or wrong.
    fn value(&mut self, file: &str, input: &str, row: &Value) {
        let kind = self.our_name(row["kind"].as_str().unwrap_or_default());
        if !is_ours(&kind) {
            return;
        }
        let is_found = self.find(input).iter().any(|(found, _)| found == &kind);
        let is_valid = row["valid"].as_bool().unwrap_or_default();
        self.count(file, kind, is_valid, is_found, input);
    }

    /// A text that is right or wrong as a whole.
    fn labelled(&mut self, file: &str, text: &str, is_positive: bool) {
        let is_found = self.find(text).iter().any(|(found, _)| found == &self.labels);
        if !is_positive {
            let (texts, flagged) = self.clean.entry(file.to_owned()).or_default();
            *texts += 1;
            *flagged += usize::from(is_found);
        }
        self.count(
            file,
            self.labels.clone(),
            is_positive,
            is_found,
            &text.chars().take(LONGEST_NOTE).collect::<String>(),
        );
    }

    fn count(&mut self, file: &str, kind: String, is_valid: bool, is_found: bool, input: &str) {
        let tally = self.tallies.entry((file.to_owned(), kind.clone())).or_default();
        let mistake = match (is_valid, is_found) {
            (true, true) => {
                tally.right += 1;
                return;
            }
            (false, false) => return,
            (true, false) => {
                tally.missed += 1;
                "missed"
            }
            (false, true) => {
                tally.wrong += 1;
                "wrong"
            }
        };
        self.mistakes.entry((file.to_owned(), kind, mistake)).or_default().push(input.to_owned());
    }

    fn text(&mut self, file: &str, text: &str, row: &Value) {
        let spans: Vec<(String, Range<usize>)> = row["spans"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|span| {
                let place =
                    |name: &str| span[name].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
                (self.our_name(span["type"].as_str().unwrap_or_default()), place("start")..place("end"))
            })
            .collect();
        let found = self.find(text);
        if spans.is_empty() {
            let (texts, flagged) = self.clean.entry(file.to_owned()).or_default();
            *texts += 1;
            *flagged += usize::from(!found.is_empty());
        }
        let fits = |one: &(String, Range<usize>), other: &(String, Range<usize>)| {
            let shared = one.1.end.min(other.1.end).saturating_sub(one.1.start.max(other.1.start));
            one.0 == other.0 && 2 * shared >= one.1.len().max(other.1.len())
        };
        for span in spans.iter().filter(|span| is_ours(&span.0)) {
            let tally = self.tallies.entry((file.to_owned(), span.0.clone())).or_default();
            if found.iter().any(|found| fits(found, span)) {
                tally.right += 1;
            } else {
                tally.missed += 1;
                self.note(file, &span.0, "missed", &span.1, text);
            }
        }
        for found in found.iter().filter(|found| !spans.iter().any(|span| fits(found, span))) {
            self.tallies.entry((file.to_owned(), found.0.clone())).or_default().wrong += 1;
            self.note(file, &found.0, "wrong", &found.1, text);
        }
    }

    fn note(&mut self, file: &str, kind: &str, mistake: &'static str, at: &Range<usize>, text: &str) {
        let what: String = text.chars().skip(at.start).take(at.len()).collect();
        let around: String = text.chars().skip(at.start.saturating_sub(60)).take(at.len() + 90).collect();
        let note = format!("{what:?} in {around:?}");
        self.mistakes.entry((file.to_owned(), kind.to_owned(), mistake)).or_default().push(note);
    }

    /// Types and places in characters.
    fn find(&self, text: &str) -> Vec<(String, Range<usize>)> {
        let characters = |byte: usize| text[..byte].chars().count();
        let findings = self.profile.scan(Direction::Input, text);
        findings.iter().map(|one| (one.finding.name().to_owned(), characters(one.start)..characters(one.end))).collect()
    }

    fn our_name(&self, theirs: &str) -> String {
        self.names.get(theirs).cloned().unwrap_or_else(|| theirs.to_owned())
    }

    fn report(&self, shown: usize) {
        println!(
            "{:<34} {:<14} {:>6} {:>6} {:>6} {:>10} {:>7}",
            "file", "type", "right", "wrong", "missed", "precision", "recall"
        );
        for ((file, kind), tally) in &self.tallies {
            print_row(file, kind, tally);
        }
        let mut files: BTreeMap<&str, Tally> = BTreeMap::new();
        for ((file, _), tally) in &self.tallies {
            let sum = files.entry(file).or_default();
            sum.right += tally.right;
            sum.wrong += tally.wrong;
            sum.missed += tally.missed;
        }
        for (file, tally) in &files {
            print_row(file, "all", tally);
        }
        for (file, (texts, flagged)) in &self.clean {
            println!("{file:<34} of {texts} texts with nothing in them {flagged} were flagged");
        }
        for ((file, kind, mistake), notes) in &self.mistakes {
            for note in notes.iter().take(shown) {
                println!("{mistake} {kind} ({file}): {note}");
            }
        }
    }
}

fn print_row(file: &str, kind: &str, tally: &Tally) {
    let part = |of: usize| if of == 0 { f64::NAN } else { tally.right as f64 / of as f64 };
    let Tally { right, wrong, missed } = tally;
    let (precision, recall) = (part(right + wrong), part(right + missed));
    println!("{file:<34} {kind:<14} {right:>6} {wrong:>6} {missed:>6} {precision:>10.3} {recall:>7.3}");
}

fn is_ours(name: &str) -> bool {
    FindingType::of_name(name).is_some()
}

//! Makes the files of the model of names and addresses (`src/words/`).
//!
//! ```text
//! cargo run --release -p weir-guardrails --example train_words -- lists NAMES ADDRESS_WORDS CLEAN…
//! cargo run --release -p weir-guardrails --example train_words -- weights FILE… --names-unmarked FILE…
//! ```
//!
//! The first writes `names.bin` from lists of names (`training/texts.py` makes them) and a list of words, without names that are words:
//! those that are written small in the clean texts. The second writes `weights.bin`, and has to be built after the first. Files of texts
//! hold a JSON object a line as for `evaluate`; where a text has no spans, nothing is in it. In those behind `--names-unmarked` are names
//! that nobody marked: what they tell is only what is no address.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;

use serde_json::Value;
use weir_guardrails::words::model::{self, LISTS, UNIT, WEIGHT_BYTES};
use weir_guardrails::words::token::{Form, Tokens, hash};
use weir_guardrails::words::{Window, features};

/// How often a name is written small in clean texts before it counts as a word.
const IS_WORD: usize = 3;
/// Passes over all texts.
const PASSES: usize = 5;
/// First step of learning (AdaGrad: J. Duchi, E. Hazan, Y. Singer, 2011).
const STEP: f32 = 0.1;
/// Pulls each weight towards nothing.
const DECAY: f32 = 2e-6;
/// One text in so many is seen in small letters, too.
const SMALL: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, files)) if command == "lists" => lists(files),
        Some((command, files)) if command == "weights" => weights(files),
        _ => Err("lists or weights".into()),
    }
}

fn write(file: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/words").join(file);
    Ok(std::fs::write(path, bytes)?)
}

fn lists(files: &[String]) -> Result<(), Box<dyn Error>> {
    let [names, address_words, clean @ ..] = files else { return Err("NAMES ADDRESS_WORDS CLEAN…".into()) };
    let names: HashMap<String, Vec<String>> = serde_json::from_str(&std::fs::read_to_string(names)?)?;
    let mut small: HashMap<u32, usize> = HashMap::new();
    for text in texts(clean)?.iter().filter(|text| text.spans.is_empty()) {
        for token in Tokens::new(text.text.as_bytes(), 0).filter(|token| token.form == Form::Small) {
            *small.entry(token.hash).or_default() += 1;
        }
    }
    let is_name = |word: &&String| small.get(&hash(word)).is_none_or(|count| *count < IS_WORD);
    let address_words = std::fs::read_to_string(address_words)?;
    let lists: [Vec<u32>; LISTS.len()] = [
        names["given"].iter().filter(is_name).map(|word| hash(word)).collect(),
        names["family"].iter().filter(is_name).map(|word| hash(word)).collect(),
        address_words.split_whitespace().map(hash).collect(),
    ];
    let mut file = Vec::new();
    for (words, bytes) in lists.iter().zip(LISTS) {
        let mut bits = vec![0_u8; bytes];
        for place in words.iter().flat_map(|word| model::places(*word, bytes)) {
            bits[place / 8] |= 1 << (place % 8);
        }
        println!(
            "{} words, {:.3} of the bits",
            words.len(),
            bits.iter().map(|byte| byte.count_ones()).sum::<u32>() as f32 / (bytes * 8) as f32
        );
        file.extend(bits);
    }
    write("names.bin", &file)
}

struct Text {
    text: String,
    /// In bytes; 0: a person, 1: an address.
    spans: Vec<(usize, usize, usize)>,
    length: usize,
}

fn texts(files: &[String]) -> Result<Vec<Text>, Box<dyn Error>> {
    let mut all = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let row: Value = serde_json::from_str(line)?;
            let text = row["text"].as_str().unwrap_or_default().to_owned();
            let place = |at: &Value| {
                let at = usize::try_from(at.as_u64().unwrap_or_default()).unwrap_or_default();
                text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
            };
            let spans = row["spans"].as_array().into_iter().flatten().filter_map(|span| {
                let kind = span["type"].as_str().unwrap_or_default();
                let kind = match kind {
                    "PERSON" => 0,
                    "ADDRESS" => 1,
                    _ => return None,
                };
                Some((place(&span["start"]), place(&span["end"]), kind))
            });
            let (spans, length) = (spans.collect(), text.len());
            all.push(Text { text, spans, length });
        }
    }
    Ok(all)
}

/// Of a word that may be part of a name, but of no address.
const NO_ADDRESS: usize = 3;

/// The features of a word, and what it is part of: 0 nothing, 1 a person, 2 an address, [`NO_ADDRESS`].
type Row = (features::Features, usize);

fn rows(text: &Text) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut window = Window::around(text.text.as_bytes(), 0);
    while let Some(word) = window.advance() {
        if word.is_candidate() {
            let of = |&&(start, end, _): &&(usize, usize, usize)| word.start >= start && word.end <= end;
            let kind = text.spans.iter().find(of).map_or(0, |(_, _, kind)| kind + 1);
            rows.push((features::of(&window, 0), kind));
        }
    }
    rows
}

fn weights(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let (marked, unmarked) = match arguments.iter().position(|argument| argument == "--names-unmarked") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, [].as_slice()),
    };
    let mut all: Vec<Vec<Row>> = Vec::new();
    for (number, text) in texts(marked)?.into_iter().enumerate() {
        all.push(rows(&text));
        let small = Text { text: text.text.to_lowercase(), ..text };
        if number % SMALL == 0 && small.text.len() == text.length {
            all.push(rows(&small));
        }
    }
    let no_address = |(features, _)| (features, NO_ADDRESS);
    all.extend(texts(unmarked)?.iter().map(|text| rows(text).into_iter().map(no_address).collect()));
    println!("{} texts, {} words", all.len(), all.iter().map(Vec::len).sum::<usize>());
    let size = WEIGHT_BYTES / 2;
    let (mut weights, mut squares) = (vec![[0.0_f32; 2]; size], vec![[1e-6_f32; 2]; size]);
    let mut order: Vec<usize> = (0..all.len()).collect();
    let mut chance = 1_u64;
    for pass in 0..PASSES {
        for at in (1..order.len()).rev() {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, (chance >> 33) as usize % (at + 1));
        }
        let mut loss = 0.0_f64;
        for (features, kind) in order.iter().flat_map(|text| &all[*text]) {
            let mut sums = [0.0_f32; 3];
            for place in features {
                let [person, address] = weights[usize::from(*place)];
                sums[1] += person;
                sums[2] += address;
            }
            let is_marked = *kind != NO_ADDRESS;
            if !is_marked {
                sums[1] = f32::NEG_INFINITY;
            }
            let highest = sums.iter().copied().fold(f32::MIN, f32::max);
            let parts = sums.map(|sum| (sum - highest).exp());
            let total: f32 = parts.iter().sum();
            let right = if is_marked { *kind } else { 0 };
            loss -= f64::from((parts[right] / total).max(1e-9).ln());
            for class in usize::from(!is_marked)..2 {
                let error = parts[class + 1] / total - f32::from(u8::from(right == class + 1));
                for place in features {
                    let (weight, square) =
                        (&mut weights[usize::from(*place)][class], &mut squares[usize::from(*place)][class]);
                    let slope = error + DECAY * *weight;
                    *square += slope * slope;
                    *weight -= STEP * slope / square.sqrt();
                }
            }
        }
        println!("pass {pass}: {loss:.0}");
    }
    let byte = |weight: f32| ((weight / UNIT).round().clamp(-127.0, 127.0) as i8).cast_unsigned();
    let bytes: Vec<u8> = weights.into_iter().flatten().map(byte).collect();
    println!("{} of {} weights are nothing", bytes.iter().filter(|byte| **byte == 0).count(), bytes.len());
    write("weights.bin", &bytes)
}

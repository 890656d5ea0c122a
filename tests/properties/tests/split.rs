//! A stream gives its client the same, and the same is recorded, however it is split: every provider with every client,
//! through the filters as they are shipped.

use proptest::prelude::*;
use weir_config::Action;
use weir_llm::{Schema, Usage};
use weir_properties::input::{anthropic, openai, responses};
use weir_properties::proxy::Outcome;
use weir_properties::samples::{SAMPLES, Sample};
use weir_properties::stream_flow::{check_stream, stream};

fn clients() -> [Schema; 3] {
    [openai(), anthropic(), responses()]
}

fn run(sample: &Sample, client: Schema, action: Action, pieces: &[&[u8]]) -> Outcome {
    stream(client, sample.provider(), action, true, pieces)
}

/// Of input and of output.
fn has_figures(usage: Usage) -> bool {
    let counted = usage.counted();
    counted.input > Some(0) && counted.output > Some(0)
}

#[track_caller]
fn check(sample: &Sample, client: Schema, action: Action, pieces: &[&[u8]], whole: &Outcome) {
    let split = run(sample, client, action, pieces);
    let lengths: Vec<_> = pieces.iter().map(|piece| piece.len()).collect();
    assert_eq!(
        String::from_utf8_lossy(&split.body),
        String::from_utf8_lossy(&whole.body),
        "{} for {client:?}, {action:?}, in pieces of {lengths:?}",
        sample.name
    );
    assert_eq!(&split, whole, "{} for {client:?}, {action:?}, in pieces of {lengths:?}", sample.name);
}

#[test]
fn every_single_split_gives_an_openai_client_the_same() {
    every_single_split(openai());
}

#[test]
fn every_single_split_gives_an_anthropic_client_the_same() {
    every_single_split(anthropic());
}

#[test]
fn every_single_split_gives_a_client_of_responses_the_same() {
    every_single_split(responses());
}

fn every_single_split(client: Schema) {
    let action = Action::Redact;
    for sample in SAMPLES {
        let whole = run(sample, client, action, &[sample.bytes]);
        check_stream(client, action, sample.bytes, &whole);
        // How events are cut is the same for all; how they are written needs no more than some of the splits.
        let is_new_pair = client != sample.provider() && (client == responses() || sample.provider() == responses());
        for at in (1..sample.bytes.len()).step_by(if is_new_pair { 7 } else { 1 }) {
            let (head, tail) = sample.bytes.split_at(at);
            check(sample, client, action, &[head, tail], &whole);
        }
        let bytes: Vec<&[u8]> = sample.bytes.chunks(1).collect();
        check(sample, client, action, &bytes, &whole);
    }
}

/// What the samples are there for: without it the test above would compare nothing with nothing.
#[test]
fn samples_show_what_they_are_for() {
    for sample in SAMPLES {
        for client in clients() {
            let outcome = run(sample, client, Action::Redact, &[sample.bytes]);
            let said = String::from_utf8_lossy(&outcome.body);
            let context = format!("{} for {client:?}: {outcome:?}", sample.name);
            let ends_well = !sample.name.contains("error") && !sample.name.contains("cut-off");
            let begins = !sample.name.contains("error-first");
            assert_eq!(outcome.complete, ends_well, "{context}");
            assert_eq!(outcome.status == "200", begins, "{context}");
            assert!(!ends_well || outcome.usage.is_some_and(has_figures), "{context}");
            assert_eq!(outcome.characters > 0, begins, "{context}");
            // Mixed blocks are one mixed text for a client whose schema has no blocks.
            let has_findings = sample.name.contains("findings")
                && (client == anthropic() || sample.name != "anthropic-mixed-findings");
            if has_findings {
                let found: Vec<_> = outcome.findings.iter().map(|(finding, action, _)| (*finding, *action)).collect();
                assert_eq!(found.len(), 2, "{context}");
                assert!(!said.contains("1111") && !said.contains("example.com"), "{context}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn any_pieces_give_the_same(
        index in 0..SAMPLES.len(),
        client in prop::sample::select(clients().to_vec()),
        action in prop_oneof![Just(Action::Flag), Just(Action::Redact), Just(Action::Block)],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        cut_off in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let sample = &SAMPLES[index];
        let bytes = &sample.bytes[..cut_off.map_or(sample.bytes.len(), |at| at.index(sample.bytes.len()))];
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let whole = run(sample, client, action, &[bytes]);
        check_stream(client, action, bytes, &whole);
        check(sample, client, action, &pieces, &whole);
    }
}

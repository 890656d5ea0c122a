use proptest::prelude::*;

use super::*;

fn openai() -> Schema {
    Schema::named("openai").unwrap()
}

fn anthropic() -> Schema {
    Schema::named("anthropic").unwrap()
}

const OPENAI_TEXT: &str = include_str!("../../fixtures/openai-text.sse");
const OPENAI_TOOLS: &str = include_str!("../../fixtures/openai-tools.sse");
const ANTHROPIC_TOOLS: &str = include_str!("../../fixtures/anthropic-tools.sse");
const OPENAI_AS_ANTHROPIC: &str = include_str!("../../fixtures/openai-tools.as-anthropic.sse");
const ANTHROPIC_AS_OPENAI: &str = include_str!("../../fixtures/anthropic-tools.as-openai.sse");

fn options(client_wants_usage: bool) -> StreamOptions {
    StreamOptions {
        client_model: "mine".into(),
        client_wants_usage,
        id: "id-1".into(),
        created_unix_s: 7,
        tool_names: ToolNames::default(),
        echo: crate::chat::Echo::default(),
    }
}

/// What a whole stream has shown.
#[derive(Debug, PartialEq)]
struct Outcome {
    out: String,
    content: bool,
    error: Option<ProviderError>,
    usage: Option<Usage>,
    complete: bool,
    characters: u64,
}

fn run<'a>(provider: Schema, client: Schema, wants_usage: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut translator = StreamTranslator::new(provider, client, options(wants_usage));
    let mut out = Vec::new();
    let mut total = Progress::default();
    let mut take = |progress: Progress| {
        total.content |= progress.content;
        total.complete |= progress.complete;
        total.error = total.error.take().or(progress.error);
        total.characters += progress.characters;
        total.usage = match (total.usage, progress.usage) {
            (Some(known), Some(new)) => Some(known.followed_by(&new)),
            (known, new) => known.or(new),
        };
    };
    for chunk in chunks {
        // Each push has an output of its own: a translator must not lean on what it wrote before.
        let mut piece = Vec::new();
        take(translator.push(chunk, &mut piece));
        out.append(&mut piece);
    }
    let mut piece = Vec::new();
    take(translator.finish(&mut piece));
    out.append(&mut piece);
    Outcome {
        out: String::from_utf8_lossy(&out).into_owned(),
        content: total.content,
        error: total.error,
        usage: total.usage,
        complete: total.complete,
        characters: total.characters,
    }
}

fn run_whole(provider: Schema, client: Schema, wants_usage: bool, stream: &str) -> Outcome {
    run(provider, client, wants_usage, [stream.as_bytes()])
}

/// Input, what of it was cached, and output.
fn counted(outcome: &Outcome) -> [u64; 3] {
    let counted = outcome.usage.expect("the provider reported it").counted();
    [counted.input, counted.cached_input, counted.output].map(|figure| figure.unwrap_or(0))
}

#[test]
fn translated_streams_match_their_goldens() {
    let outcome = run_whole(openai(), anthropic(), false, OPENAI_TOOLS);
    assert_eq!(outcome.out, OPENAI_AS_ANTHROPIC);
    assert_eq!(counted(&outcome), [40, 0, 21]);
    assert!(outcome.complete && outcome.content && outcome.error.is_none());
    let outcome = run_whole(anthropic(), openai(), true, ANTHROPIC_TOOLS);
    assert_eq!(outcome.out, ANTHROPIC_AS_OPENAI);
    assert_eq!(counted(&outcome), [135, 100, 44]);
    assert!(outcome.complete && outcome.content && outcome.error.is_none());
}

#[test]
fn one_schema_passes_byte_for_byte_but_for_the_model() {
    let outcome = run_whole(openai(), openai(), true, OPENAI_TEXT);
    assert_eq!(outcome.out, OPENAI_TEXT.replace("gpt-4o-2024-08-06", "mine"));
    assert_eq!(counted(&outcome), [12, 4, 5]);
    assert_eq!(outcome.characters, "Grüß \"dich\" 😀".chars().count() as u64);
    assert!(outcome.complete);
    let odd = format!(": hello\r\n\r\n\r\n{}", ANTHROPIC_TOOLS.replace('\n', "\r\n"));
    let outcome = run_whole(anthropic(), anthropic(), false, &odd);
    assert_eq!(outcome.out, odd.replace("claude-sonnet-4-5-20250929", "mine"));
    assert!(outcome.complete);
}

#[test]
fn a_client_that_did_not_ask_for_usage_sees_none() {
    let outcome = run_whole(openai(), openai(), false, OPENAI_TEXT);
    assert!(!outcome.out.contains("prompt_tokens") && outcome.out.ends_with("data: [DONE]\n\n"));
    assert!(outcome.usage.is_some());
    let outcome = run_whole(anthropic(), openai(), false, ANTHROPIC_TOOLS);
    assert!(!outcome.out.contains("usage"), "{}", outcome.out);
}

fn check_end(provider: Schema, client: Schema, stream: &str, status: Option<u16>, complete: bool, end: &str) {
    let outcome = run_whole(provider, client, false, stream);
    assert_eq!(outcome.error.as_ref().map(|error| error.status), status, "{stream}");
    assert_eq!(outcome.complete, complete, "{stream}");
    assert!(outcome.out.ends_with(end) || outcome.out.contains(end), "{stream}\n{}", outcome.out);
}

#[test]
fn a_stream_ends_as_its_provider_ended_it() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    let overloaded =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    let refused = "data: {\"error\":{\"message\":\"bad key sk-1\",\"type\":\"authentication_error\"}}\n\n";
    for client in [openai(), anthropic()] {
        let error_event =
            if client == openai() { "data: {\"error\":{" } else { "event: error\ndata: {\"type\":\"error\"" };
        check_end(openai(), client, text, Some(502), false, error_event);
        check_end(openai(), client, "", Some(502), false, error_event);
        check_end(openai(), client, &format!("{text}data: <html>\n\n"), Some(502), false, error_event);
        check_end(
            openai(),
            client,
            &format!("{text}{refused}{text}"),
            Some(401),
            false,
            "refused the gateway's credential",
        );
        check_end(anthropic(), client, overloaded, Some(529), false, "\"busy\"");
    }
    check_end(openai(), anthropic(), &format!("{text}data: [DONE]\n\n"), Some(502), false, "event: error");
    check_end(
        openai(),
        anthropic(),
        &format!("{text}{finish}"),
        None,
        true,
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    check_end(
        openai(),
        anthropic(),
        &format!("{text}{finish}data: [DONE]"),
        None,
        true,
        "\"stop_reason\":\"max_tokens\"",
    );
    check_end(openai(), openai(), &format!("{text}{finish}data: [DONE]"), None, true, "data: [DONE]\n\n");
}

#[test]
fn an_event_over_the_bound_ends_the_stream() {
    let stream = format!("data: {}", "x".repeat(2 << 20));
    check_end(openai(), openai(), &stream, Some(502), false, "larger than 1048576 bytes");
}

#[test]
fn nothing_commits_before_content() {
    let mut translator = StreamTranslator::new(anthropic(), openai(), options(false));
    let (head, rest) = ANTHROPIC_TOOLS.split_at(ANTHROPIC_TOOLS.find("event: content_block_delta").unwrap());
    let mut out = Vec::new();
    assert!(!translator.push(head.as_bytes(), &mut out).content);
    assert!(translator.push(rest.as_bytes(), &mut out).content);
}

fn cases() -> [(Schema, &'static str); 3] {
    [(openai(), OPENAI_TEXT), (openai(), OPENAI_TOOLS), (anthropic(), ANTHROPIC_TOOLS)]
}

#[test]
fn every_split_point_gives_the_same() {
    for (provider, stream) in cases() {
        for client in [openai(), anthropic()] {
            let whole = run_whole(provider, client, true, stream);
            for at in 0..stream.len() {
                let (head, tail) = stream.as_bytes().split_at(at);
                assert_eq!(run(provider, client, true, [head, tail]), whole, "{provider:?} {client:?} split at {at}");
            }
            assert_eq!(run(provider, client, true, stream.as_bytes().chunks(1)), whole);
        }
    }
}

proptest! {
    #[test]
    fn any_chunks_of_any_line_ends_give_the_same(
        case in 0_usize..3,
        to_anthropic: bool,
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        cut in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1_usize..400, 1..50),
    ) {
        let (provider, stream) = cases()[case];
        let client = if to_anthropic { anthropic() } else { openai() };
        let stream = stream.replace('\n', line_end);
        let stream = &stream.as_bytes()[..=cut.index(stream.len())];
        let mut chunks = Vec::new();
        let mut rest = stream;
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, more) = rest.split_at(size.min(rest.len()));
            chunks.push(chunk);
            rest = more;
        }
        prop_assert_eq!(run(provider, client, true, chunks), run(provider, client, true, [stream]));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), from_anthropic: bool) {
        let provider = if from_anthropic { anthropic() } else { openai() };
        let framed = [b"data: ".as_slice(), &bytes, b"\n\n"].concat();
        run(provider, openai(), true, [bytes.as_slice(), framed.as_slice()]);
    }
}

/// What two pieces of a stream show of its figures.
fn check_usage(provider: Schema, client: Schema, stream: &str, is_final: bool, output: Option<u64>) {
    for (at, wants_usage) in (0..=stream.len()).flat_map(|at| [(at, true), (at, false)]) {
        let (first, second) = stream.as_bytes().split_at(at);
        let mut translator = StreamTranslator::new(provider, client, options(wants_usage));
        let mut out = Vec::new();
        let pieces = [translator.push(first, &mut out), translator.push(second, &mut out), translator.finish(&mut out)];
        assert_eq!(pieces[2].usage_is_final, is_final, "{stream} split at {at}");
        let said = pieces.iter().filter_map(|progress| progress.usage);
        let usage = said.reduce(|known, later| known.followed_by(&later));
        assert_eq!(usage.and_then(|usage| usage.counted().output), output, "{stream} split at {at}");
    }
}

#[test]
fn a_figure_is_final_if_nothing_came_after_it() {
    let event = |json: &str| format!("data: {json}\n\n");
    let start = event(r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#);
    let text = event(r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#);
    let end = event(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#);
    let counted_end =
        event(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}"#);
    let input_at_end =
        event(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":7}}"#);
    let stop = event(r#"{"type":"message_stop"}"#);
    for client in [anthropic(), openai()] {
        let check = |events: &[&String], is_final: bool, output: u64| {
            let stream: String = events.iter().map(|event| event.as_str()).collect();
            check_usage(anthropic(), client, &stream, is_final, Some(output));
        };
        check(&[&start, &text, &text, &end, &stop], false, 1);
        check(&[&start, &text, &text, &input_at_end, &stop], false, 1);
        check(&[&start, &text, &text, &counted_end, &stop], true, 7);
        check(&[&start, &text, &counted_end], true, 7);
        check(&[&start, &text, &text], false, 1);
        check(&[&start, &end, &stop], false, 1);
    }
    let chunk = |content: &str, finish: &str, usage: u64| {
        event(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{{content}}},"finish_reason":{finish}}}],"usage":{{"prompt_tokens":9,"completion_tokens":{usage}}}}}"#
        ))
    };
    let text = event(r#"{"choices":[{"index":0,"delta":{"content":"more"}}]}"#);
    let running = chunk(r#""content":"hello""#, "null", 3);
    let finish = event(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
    let alone = event(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#);
    for client in [anthropic(), openai()] {
        check_usage(openai(), client, &[&*running, &*running, &*finish].concat(), true, Some(3));
        check_usage(openai(), client, &[&*running, &*text, &*finish].concat(), false, Some(3));
        check_usage(openai(), client, &[&*running, &*running].concat(), false, Some(3));
        check_usage(openai(), client, &[&*text, &*text, &*alone, &*text, &*finish].concat(), false, Some(3));
        check_usage(openai(), client, &[&*text, &*text, &*alone, &*finish].concat(), true, Some(3));
        check_usage(openai(), client, &[&*running, &*chunk("", "\"stop\"", 8)].concat(), true, Some(8));
    }
}

#[test]
fn the_figures_of_an_event_that_cannot_be_read_are_owed() {
    let broken = "data: {\"choices\":7,\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n";
    for client in [anthropic(), openai()] {
        let outcome = run_whole(openai(), client, true, broken);
        assert!(outcome.error.is_some());
        assert_eq!(counted(&outcome), [9, 0, 4]);
    }
}

#[test]
fn every_class_reaches_a_client_of_another_schema_at_the_end_of_its_stream() {
    let stream = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\
        \"cache_creation_input_tokens\":1000,\"cache_read_input_tokens\":100,\"cache_creation\":\
        {\"ephemeral_5m_input_tokens\":400,\"ephemeral_1h_input_tokens\":600},\"output_tokens\":1}}}\n\n\
        data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":\
        {\"output_tokens\":30,\"output_tokens_details\":{\"thinking_tokens\":12}}}\n\n\
        data: {\"type\":\"message_stop\"}\n\n";
    let outcome = run_whole(anthropic(), openai(), true, stream);
    let expect = r#""usage":{"prompt_tokens":1110,"completion_tokens":30,"total_tokens":1140,"prompt_tokens_details":{"cached_tokens":100,"cache_write_tokens":1000},"completion_tokens_details":{"reasoning_tokens":12}}"#;
    assert!(outcome.out.contains(expect), "{}", outcome.out);
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":\
        {\"prompt_tokens\":50,\"completion_tokens\":30,\"prompt_tokens_details\":{\"cached_tokens\":10,\
        \"cache_write_tokens\":20},\"completion_tokens_details\":{\"reasoning_tokens\":12}}}\n\ndata: [DONE]\n\n";
    let outcome = run_whole(openai(), anthropic(), true, stream);
    let expect = r#""usage":{"input_tokens":20,"cache_creation_input_tokens":20,"cache_read_input_tokens":10,"output_tokens":30,"output_tokens_details":{"thinking_tokens":12}}"#;
    assert!(outcome.out.contains(expect), "{}", outcome.out);
}

#[test]
fn an_event_that_is_called_an_error_is_one_in_the_providers_words() {
    for provider in Schema::all() {
        for client in Schema::all() {
            for data in [r#"{"message":"kaput"}"#, r#"{"error":{"message":"kaput"}}"#, "kaput", r#""kaput""#] {
                let mut translator = StreamTranslator::new(provider, client, StreamOptions::default());
                let mut out = Vec::new();
                let progress = translator.push(format!("event: error\ndata: {data}\n\n").as_bytes(), &mut out);
                assert_eq!(progress.error.map(|error| error.message).as_deref(), Some("kaput"), "{provider:?} {data}");
            }
        }
    }
    let mut translator = StreamTranslator::new(Schema::default(), Schema::default(), StreamOptions::default());
    let event = b"event: status\ndata: {\"object\":\"status\",\"message\":\"working\"}\n\n";
    assert_eq!(translator.push(event, &mut Vec::new()).error, None);
}

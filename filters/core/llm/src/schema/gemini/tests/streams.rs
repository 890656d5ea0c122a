use super::*;

/// A stream as Gemini sends it: text in pieces, a call, usage as running totals.
fn stream() -> String {
    let events = [
        json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hm", "thought": true}]}, "index": 0}],
            "usageMetadata": {"promptTokenCount": 40, "totalTokenCount": 40}, "modelVersion": "g", "responseId": "r"}),
        json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Grüß "}]}, "index": 0}], "modelVersion": "g"}),
        json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "dich"}]}, "index": 0}], "modelVersion": "g"}),
        json!({"candidates": [{"content": {"role": "model", "parts": [
            {"functionCall": {"name": "weather", "args": {"city": "Ulm"}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "time"}},
        ]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 40, "candidatesTokenCount": 10, "thoughtsTokenCount": 11, "totalTokenCount": 61},
            "modelVersion": "g", "responseId": "r"}),
    ];
    events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect()
}

struct Outcome {
    out: String,
    complete: bool,
    error: Option<u16>,
    output_tokens: Option<u64>,
}

/// Pushes a stream in pieces of so many bytes.
fn run(provider: Schema, client: Schema, stream: &str, step: usize, echo: &Value) -> Outcome {
    let options = StreamOptions {
        client_model: "mine".into(),
        client_wants_usage: true,
        id: "id1".into(),
        created_unix_s: 7,
        echo: crate::chat::Echo::of(client, echo.to_string().as_bytes()),
        ..StreamOptions::default()
    };
    let mut translator = StreamTranslator::new(provider, client, options);
    let mut out = Vec::new();
    let mut usage = None;
    let (mut complete, mut error) = (false, None);
    let mut take = |progress: crate::stream::Progress| {
        complete |= progress.complete;
        error = error.take().or(progress.error.map(|error| error.status));
        usage = progress.usage.or(usage);
    };
    for piece in stream.as_bytes().chunks(step) {
        take(translator.push(piece, &mut out));
    }
    take(translator.finish(&mut out));
    let output_tokens = usage.and_then(|usage| usage.counted().output);
    Outcome { out: String::from_utf8(out).unwrap(), complete, error, output_tokens }
}

fn said(out: &str) -> Vec<Value> {
    let data = out.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn a_stream_crosses_however_it_is_cut() {
    for step in [1, 7, 10_000] {
        let outcome = run(gemini(), openai(), &stream(), step, &json!({}));
        assert!(outcome.complete && outcome.error.is_none(), "{step}");
        assert_eq!(outcome.output_tokens, Some(21));
        let events = said(&outcome.out);
        let deltas: Vec<_> = events.iter().filter_map(|event| event["choices"].get(0)).collect();
        let text: String = deltas.iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(text, "Grüß dich");
        let calls: Vec<_> = deltas.iter().filter_map(|choice| choice["delta"]["tool_calls"].get(0)).collect();
        let names: Vec<_> = calls.iter().filter_map(|call| call["function"]["name"].as_str()).collect();
        assert_eq!(names, ["weather", "time"]);
        let ids: Vec<_> = calls.iter().filter_map(|call| call["id"].as_str()).collect();
        assert!(ids.len() == 2 && ids[0] != ids[1] && !ids[0].is_empty(), "{ids:?}");
        let arguments: Vec<_> = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
        assert_eq!(arguments.concat(), "{\"city\":\"Ulm\"}{}");
        let ends: Vec<_> = deltas.iter().filter_map(|choice| choice["finish_reason"].as_str()).collect();
        assert_eq!(ends, ["tool_calls"]);
    }
}

#[test]
fn a_stream_of_others_is_written_with_whole_calls_and_one_end() {
    let there = run(gemini(), openai(), &stream(), 10_000, &json!({})).out;
    for thoughts in [false, true] {
        let echo = json!({"generationConfig": {"thinkingConfig": {"includeThoughts": thoughts}}});
        let outcome = run(openai(), gemini(), &there, 11, &echo);
        assert!(outcome.complete && outcome.error.is_none());
        let events = said(&outcome.out);
        let parts: Vec<_> =
            events.iter().flat_map(|event| event["candidates"][0]["content"]["parts"].as_array().unwrap()).collect();
        let text = |is_thought: bool| -> String {
            let of_kind = parts.iter().filter(|part| (part["thought"] == true) == is_thought);
            of_kind.filter_map(|part| part["text"].as_str()).collect()
        };
        assert_eq!((text(false).as_str(), text(true).as_str()), ("Grüß dich", if thoughts { "hm" } else { "" }));
        let calls: Vec<_> = parts
            .iter()
            .filter_map(|part| Some((part.get("functionCall")?["name"].clone(), part["functionCall"]["args"].clone())))
            .collect();
        assert_eq!(calls, [(json!("weather"), json!({"city": "Ulm"})), (json!("time"), json!({}))]);
        let ends: Vec<_> = events.iter().filter_map(|event| event["candidates"][0].get("finishReason")).collect();
        assert_eq!(ends, ["STOP"]);
        let last = events.last().unwrap();
        assert_eq!((&last["usageMetadata"]["totalTokenCount"], &last["modelVersion"]), (&json!(61), &json!("mine")));
    }
}

#[test]
fn a_stream_of_the_same_schema_passes_but_for_the_model() {
    let outcome = run(gemini(), gemini(), &stream(), 13, &json!({}));
    assert!(outcome.complete && outcome.error.is_none());
    assert_eq!(outcome.out, stream().replace(r#""modelVersion":"g""#, r#""modelVersion":"mine""#));
    assert_eq!(outcome.output_tokens, Some(21));
}

#[test]
fn a_stream_that_fails_or_is_cut_off_is_no_end() {
    let cut: String = stream().split_inclusive("\r\n\r\n").take(3).collect();
    assert_eq!(run(gemini(), openai(), &cut, 99, &json!({})).error, Some(502));
    let failed = r#"data: {"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#.to_owned() + "\n\n";
    assert_eq!(run(gemini(), openai(), &failed, 99, &json!({})).error, Some(503));
    let malformed =
        r#"data: {"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","index":0}]}"#.to_owned() + "\n\n";
    assert_eq!(run(gemini(), openai(), &malformed, 99, &json!({})).error, Some(502));
    let blocked = r#"data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":7}}"#
        .to_owned()
        + "\n\n";
    let outcome = run(gemini(), openai(), &blocked, 99, &json!({}));
    assert!(outcome.complete && outcome.out.contains("content_filter"), "{}", outcome.out);
}

#[test]
fn thoughts_and_the_answer_are_texts_of_their_own() {
    let part = |text: &str, thought: &str| format!(r#"{{"text":"{text}"{thought}}}"#);
    let parts =
        [part("a", ""), part("b", r#","thought":true"#), part("c", r#","thought":false"#), part("d", "")].join(",");
    let body = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"logprobsResult":{{"chosenCandidates":[{{"token":"a"}}]}}}}]}}"#
    );
    let event = text::StreamEvent::read(gemini(), &body).unwrap();
    let texts: Vec<_> = event.texts.iter().map(|text| text.text.value.as_str()).collect();
    assert_eq!(texts, ["a", "b", "c", "d"]);
    let (channels, runs): (Vec<_>, Vec<_>) = event.texts.iter().map(|text| (text.channel, text.run)).unzip();
    for marks in [channels, runs] {
        assert!(marks[0] == marks[2] && marks[0] == marks[3] && marks[0] != marks[1], "{marks:?}");
    }
    let chat = Operation::of_kind(Kind::Chat, gemini()).unwrap();
    let whole = text::response_texts(gemini(), chat, body.as_bytes()).unwrap();
    let joined: Vec<_> = whole.texts.iter().map(|text| text.joined).collect();
    assert!(joined.len() == 4 && joined[0] > 0 && joined[0] == joined[2] && joined[0] == joined[3], "{joined:?}");
    assert!(joined[1] > 0 && joined[1] != joined[0], "{joined:?}");
    // Its tokens spell the text once more.
    assert_eq!((event.spellings.len(), whole.spellings.len()), (1, 1));
}

#[test]
fn a_sign_of_life_says_nothing_to_a_client_that_reads_no_comments() {
    let out = run(anthropic(), gemini(), "event: ping\ndata: {\"type\":\"ping\"}\n\n", 64, &json!({})).out;
    assert!(!out.lines().any(|line| line.starts_with(':')), "{out}");
}

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::schema::{Kind, Schema};

fn openai() -> Schema {
    Schema::named("openai").unwrap()
}

fn anthropic() -> Schema {
    Schema::named("anthropic").unwrap()
}

fn chat() -> Operation {
    Operation::of_kind(Kind::Chat, Schema::named("openai").unwrap()).unwrap()
}

fn messages() -> Operation {
    Operation::of_kind(Kind::Chat, Schema::named("anthropic").unwrap()).unwrap()
}

fn embeddings() -> Operation {
    Operation::of_kind(Kind::Embeddings, Schema::named("openai").unwrap()).unwrap()
}

fn values(texts: &[Text]) -> Vec<&str> {
    texts.iter().map(|text| text.value.as_str()).collect()
}

fn check_request(operation: Operation, body: &str, expect: &[&str]) {
    let texts = request_texts(operation, body.as_bytes()).unwrap().texts;
    assert_eq!(values(&texts), expect, "{body}");
    for text in &texts {
        assert_eq!(said_by(&body[text.span.clone()]), text.value);
    }
}

/// What a string or a number says.
fn said_by(token: &str) -> String {
    match serde_json::from_str(token).unwrap() {
        Value::String(text) => text,
        number => {
            assert!(number.is_number(), "{number}");
            token.to_owned()
        }
    }
}

#[test]
fn a_chat_request_shows_all_that_a_model_reads() {
    check_request(
        chat(),
        r#"{"model":"m","user":"u","metadata":{"a":"b"},"messages":[
            {"role":"system","content":"S"},
            {"role":"user","name":"N","content":[{"type":"text","text":"a\n\u00e4"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},
            {"role":"assistant","content":null,"reasoning_content":"R","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"q\":1}"}}]},
            {"role":"tool","tool_call_id":"c","content":"T"}],
          "tools":[{"type":"function","function":{"name":"f","description":"D","parameters":{"type":"object","required":["name"],
            "properties":{"name":{"type":"string","description":"P"},"type":{"enum":["E"]}}}}}]}"#,
        &["u", "a", "b", "S", "N", "a\nä", "R", "f", "{\"q\":1}", "T", "f", "D", "name", "name", "P", "type", "E"],
    );
}

#[test]
fn a_messages_request_shows_all_that_a_model_reads() {
    check_request(
        messages(),
        r#"{"model":"m","system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}}],"messages":[
            {"role":"user","content":"U"},
            {"role":"assistant","content":[{"type":"thinking","thinking":"H","signature":"sig"},
              {"type":"tool_use","id":"i","name":"f","input":{"q":["A",{"name":"B"}]}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"T"},
              {"type":"image","source":{"data":"QUJD","media_type":"image/png","type":"base64"}}]},
              {"type":"document","title":"L","source":{"type":"text","media_type":"text/plain","data":"D"}},
              {"type":"image","source":{"type":"url","url":"http://x"}}]}],
          "tools":[{"name":"f","description":"X","input_schema":{"type":"object"}}]}"#,
        &["S", "U", "H", "f", "q", "A", "name", "B", "T", "L", "D", "http://x", "f", "X"],
    );
}

#[test]
fn embedding_inputs_of_every_form() {
    check_request(embeddings(), r#"{"model":"m","input":"one"}"#, &["one"]);
    check_request(embeddings(), r#"{"model":"m","input":["one","two"],"user":"u"}"#, &["one", "two", "u"]);
    check_request(embeddings(), r#"{"model":"m","input":[[1,2],[3]]}"#, &[]);
}

#[test]
fn a_name_that_stands_twice_hides_nothing() {
    check_request(embeddings(), r#"{"input":"one","inp\u0075t":"two"}"#, &["one", "two"]);
}

#[test]
fn what_is_no_json_is_an_error() {
    let deep = format!("{{\"input\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for body in
        ["", "{", "{\"input\":\"a\u{1}\"}", "{\"input\":\"a}", "{\"input\":tru}", "{\"input\":\"\\x\"}", "{}x", &deep]
    {
        assert!(request_texts(embeddings(), body.as_bytes()).is_err(), "{body}");
    }
    assert!(request_texts(embeddings(), b"{\"input\":\"\xff\"}").is_err());
}

#[test]
fn half_a_surrogate_pair_is_read_without_loss_around_it() {
    let texts = request_texts(embeddings(), br#"{"input":"a\ud800b"}"#).unwrap().texts;
    assert!(texts[0].value.starts_with('a') && texts[0].value.ends_with('b'));
}

#[test]
fn answers_show_content_and_arguments() {
    let body = r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"C","refusal":null,
        "tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"A"}}]},"finish_reason":"stop"}]}"#;
    let texts = response_texts(openai(), chat(), body.as_bytes()).unwrap().texts;
    assert_eq!(values(&texts), ["C", "f", "A"]);
    let body = r#"{"id":"x","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"C"},
        {"type":"tool_use","id":"i","name":"f","input":{"a":"A"}}],"stop_reason":"end_turn"}"#;
    let texts = response_texts(anthropic(), messages(), body.as_bytes()).unwrap().texts;
    assert_eq!(values(&texts), ["C", "f", "a", "A"]);
}

#[test]
fn only_an_object_with_one_list_of_what_the_model_said_is_an_answer() {
    let check = |client: Schema, body: &str, is_answer: bool, characters: u64| {
        let operation = if client == openai() { chat() } else { messages() };
        assert_eq!(response_texts(client, operation, body.as_bytes()).is_ok(), is_answer, "{body}");
        assert_eq!(response_characters(client, operation, body.as_bytes()), characters, "{body}");
    };
    for (body, is_answer, characters) in [
        (r#" {"choices":[]} "#, true, 0),
        (r#"{"a":{"choices":7},"choices":[{"message":{"content":"abc"}}]}"#, true, 3),
        (r#"{"choices":[{"message":{"content":"abc","choices":[]}}]}"#, true, 3),
        (r#"{"choices":[{"message":{"content":"abc"}}],"ch\u006fices":[{"message":{"content":"de"}}]}"#, false, 5),
        (r#"{"choices":{"message":{"content":"abc"}}}"#, false, 3),
        (r#"{"choices":null}"#, false, 0),
        (r#"{"content":[]}"#, false, 0),
        (r#"[{"choices":[{"message":{"content":"abc"}}]}]"#, false, 3),
        (r#""choices""#, false, 0),
        (r#"{"choices":[]"#, false, 0),
        ("", false, 0),
    ] {
        check(openai(), body, is_answer, characters);
    }
    check(anthropic(), r#"{"content":[{"type":"text","text":"abc"}]}"#, true, 3);
    check(anthropic(), r#"{"content":"abc"}"#, false, 3);
    check(anthropic(), r#"{"choices":[]}"#, false, 0);
}

#[test]
fn edits_leave_everything_else_as_it_was() {
    let body = br#"{ "input" : ["a@b.c", 1.50, "x"] , "zz":"\u0041" }"#;
    let texts = request_texts(embeddings(), body).unwrap().texts;
    let edited =
        with_texts(body, &[(texts[1].span.clone(), "y".to_owned()), (texts[0].span.clone(), "[\"E\"]".to_owned())]);
    assert_eq!(String::from_utf8(edited).unwrap(), r#"{ "input" : ["[\"E\"]", 1.50, "y"] , "zz":"\u0041" }"#);
}

#[test]
fn a_number_that_is_replaced_becomes_a_string() {
    let body = br#"{"messages":[{"role":"user","content":[{"type":"tool_use","input":{"card":4111111111111111}}]}]}"#;
    let texts = request_texts(messages(), body).unwrap().texts;
    assert_eq!(values(&texts), ["card", "4111111111111111"]);
    let edited = String::from_utf8(with_texts(body, &[(texts[1].span.clone(), "X".to_owned())])).unwrap();
    assert!(edited.ends_with(r#""input":{"card":"X"}}]}]}"#), "{edited}");
}

#[test]
fn json_in_a_text_hides_nothing_behind_escapes() {
    for (text, expect) in [
        (r#"{"c":"\u0034111"}"#, r#"{"c":"4111"}"#),
        (r#"["\\u0034\u0022\u005c\n\u000a\ud83d\ude00\u00e4"]"#, r#"["\\u0034\u0022\u005c\n\u000a\ud83d\ude00ä"]"#),
        (r"no json \u0034", r"no json \u0034"),
        (r#"{"c":"\u0034"#, r#"{"c":"\u0034"#),
    ] {
        let body =
            serde_json::json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": text}}]}]});
        let texts = request_texts(chat(), body.to_string().as_bytes()).unwrap().texts;
        assert_eq!(values(&texts), [expect]);
        if let Ok(json) = serde_json::from_str::<Value>(text) {
            assert_eq!(serde_json::from_str::<Value>(expect).unwrap(), json);
        }
    }
}

#[test]
fn only_what_no_model_reads_is_left_out_of_a_request() {
    let check_chat = |body: &str, expect: &[&str]| check_request(chat(), body, expect);
    check_chat(
        r#"{"model":"m","service_tier":"auto","reasoning_effort":"low","tool_choice":"none","seed":123456789012,"n":1}"#,
        &[],
    );
    check_chat(r#"{"user":"A","safety_identifier":"B","prompt_cache_key":"C","stop":["D"]}"#, &["A", "B", "C", "D"]);
    check_chat(r#"{"prompt":"A","input":["B"],"documents":[{"text":"C"}]}"#, &["A", "B", "text", "C"]);
    check_chat(r#"{"system":"A","new":{"deep":[123456789012,12345]}}"#, &["A", "deep", "123456789012"]);
    check_chat(r#"{"tool_choice":{"type":"function","function":{"name":"f"}}}"#, &["name", "f"]);
    check_chat(r#"{"messages":[{"role":{"x":"A"},"content":123456789012}]}"#, &["x", "A", "123456789012"]);
    let part = |part: &str| format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
    for (content, expect) in [
        (
            r#"{"type":"image_url","image_url":{"url":"https://x/a@b.io","detail":"low"}}"#,
            &["https://x/a@b.io", "low"][..],
        ),
        (r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}"#, &[]),
        (r#"{"type":"image_url","image_url":{"url":"data:image/png,A"}}"#, &["data:image/png,A"]),
        (r#"{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}"#, &[]),
        (r#"{"type":"file","file":{"filename":"A","file_data":"data:application/pdf;base64,AA=="}}"#, &["A"]),
        (r#"{"type":"file","file":{"file_data":"data:text/plain,A"}}"#, &["data:text/plain,A"]),
    ] {
        check_chat(&part(content), expect);
    }
    let check_messages = |body: &str, expect: &[&str]| check_request(messages(), body, expect);
    check_messages(r#"{"metadata":{"user_id":"A"},"stop_sequences":["B"]}"#, &["user_id", "A", "B"]);
    for (source, expect) in [
        (r#"{"type":"base64","media_type":"application/pdf","data":"AA=="}"#, &[][..]),
        (r#"{"type":"base64","media_type":"text/plain","data":"A"}"#, &["A"]),
        (r#"{"type":"text","media_type":"text/plain","data":"A"}"#, &["A"]),
        (r#"{"type":"base64","data":"A","new":"B","data":"C"}"#, &["A", "B", "C"]),
    ] {
        check_messages(&part(&format!(r#"{{"type":"document","source":{source}}}"#)), expect);
    }
    check_messages(
        r#"{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"A":{"type":"string","pattern":"B","const":{"type":"C"}}}}}]}"#,
        &["f", "A", "pattern", "B", "const", "type", "C"],
    );
}

#[track_caller]
fn check_stream(client: Schema, data: &str, expect: &[(Role, &str)]) -> Vec<u64> {
    let texts = StreamEvent::read(client, data).unwrap().texts;
    let found: Vec<_> = texts.iter().map(|text| (text.role, text.text.value.as_str())).collect();
    assert_eq!(found, expect, "{data}");
    for text in &texts {
        assert_eq!(said_by(&data[text.text.span.clone()]), text.text.value);
    }
    texts.iter().map(|text| text.channel).collect()
}

#[test]
fn events_show_their_texts_by_what_they_are() {
    use Role::{Closed, Piece, Whole};
    check_stream(
        openai(),
        r#"{"id":"x","choices":[{"delta":{"role":"assistant","content":"a\"b"},"index":1}]}"#,
        &[(Piece, "a\"b")],
    );
    check_stream(
        openai(),
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{"},"index":2}]}}]}"#,
        &[(Whole, "f"), (Piece, "{")],
    );
    check_stream(
        openai(),
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"i","type":"custom","index":1,"custom":{"input":"A"},"new":"B"}]}}]}"#,
        &[(Piece, "A"), (Whole, "B")],
    );
    check_stream(
        openai(),
        r#"{"choices":[{"index":0,"text":"A","message":{"role":"assistant","content":"B"},"new":{"n":123456789012},"logprobs":{"content":[{"token":"C"}]},"finish_reason":"stop"}]}"#,
        &[(Piece, "A"), (Piece, "B"), (Closed, "n"), (Closed, "123456789012")],
    );
    check_stream(openai(), r#"{"choices":[{"index":0,"delta":"A"}]}"#, &[(Whole, "A")]);
    check_stream(openai(), r#"{"choices":[{"index":0,"delta":{"reasoning_content":"r"}}]}"#, &[(Piece, "r")]);
    check_stream(
        openai(),
        r#"{"choices":[],"citations":["A"],"warning":{"b":"C"}}"#,
        &[(Whole, "A"), (Closed, "b"), (Whole, "C")],
    );
    check_stream(
        openai(),
        r#"{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.summary","summary":"S","id":"i"}]}}]}"#,
        &[(Piece, "S")],
    );
    check_stream(
        anthropic(),
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}"#,
        &[(Piece, "{\"a")],
    );
    check_stream(
        anthropic(),
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"t"},"index":4}"#,
        &[(Piece, "t")],
    );
    check_stream(anthropic(), r#"{"type":"news","of":["A"]}"#, &[(Whole, "A")]);
    for data in ["[DONE]", r#"{"choices":[]}"#, r#"{"choices":null}"#, r#"{"type":"message_stop"}"#] {
        check_stream(openai(), data, &[]);
    }
}

#[test]
fn texts_go_on_where_a_client_puts_them_together() {
    let chunk = |choice: &str| {
        let texts = StreamEvent::read(openai(), &format!(r#"{{"choices":[{choice}]}}"#)).unwrap().texts;
        let of_content: Vec<_> = texts.iter().map(|text| (text.channel, text.part)).collect();
        of_content[0]
    };
    let first = chunk(r#"{"index":0,"delta":{"content":"a"}}"#);
    for same in [
        r#"{"index":null,"delta":{"content":"a"}}"#,
        r#"{"delta":{"content":"a"}}"#,
        r#"{"delta":{"cont\u0065nt":"a"},"index":0.0,"new":1}"#,
        r#"{"delta":{"content":["a"]}}"#,
    ] {
        assert_eq!(chunk(same), first, "{same}");
    }
    for other in [
        r#"{"index":1,"delta":{"content":"a"}}"#,
        r#"{"index":0,"delta":{"refusal":"a"}}"#,
        r#"{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"a"}}]}}"#,
    ] {
        assert_ne!(chunk(other).0, first.0, "{other}");
    }
    let block = |event: &str| check_block(event);
    let first = block(r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"a"}}"#);
    assert_eq!(block(r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"a"}}"#), first);
    assert_ne!(block(r#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"a"}}"#), first);
}

fn check_block(event: &str) -> u64 {
    StreamEvent::read(anthropic(), event).unwrap().texts[0].channel
}

#[test]
fn only_what_is_known_to_be_an_end_ends_texts() {
    let check = |client: Schema, data: &str, ends: Ends, over: &[bool]| {
        let event = StreamEvent::read(client, data).unwrap();
        let reasons: Vec<_> = event.parts.iter().map(|(_, gives_reason)| *gives_reason).collect();
        assert_eq!((event.ends, reasons.as_slice()), (ends, over), "{data}");
    };
    for reason in ["null", "\"\"", "\" \"", "\"null\""] {
        check(
            openai(),
            &format!(r#"{{"choices":[{{"finish_reason":{reason},"delta":{{}}}}]}}"#),
            Ends::Nothing,
            &[false],
        );
    }
    check(openai(), r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":null}]}"#, Ends::Nothing, &[true, false]);
    check(openai(), r#"{"choices":null}"#, Ends::Nothing, &[]);
    check(openai(), r#"{"usage":{}}"#, Ends::Nothing, &[]);
    check(openai(), r#"{"error":null,"choices":[]}"#, Ends::Nothing, &[]);
    check(openai(), r#"{"error":{"message":"m"}}"#, Ends::Stream, &[]);
    check(openai(), "[DONE]", Ends::Stream, &[]);
    for kind in ["ping", "message_delta", "status", "content_block_start", ""] {
        check(anthropic(), &format!(r#"{{"type":"{kind}","error":{{}}}}"#), Ends::Nothing, &[]);
    }
    check(anthropic(), r#"{"type":"content_block_stop","index":1}"#, Ends::Part, &[]);
    check(anthropic(), r#"{"type":"message_stop"}"#, Ends::Stream, &[]);
    check(anthropic(), r#"{"type":"error","error":{}}"#, Ends::Stream, &[]);
}

#[test]
fn events_that_cannot_be_searched_are_refused() {
    let deep = format!(r#"{{"choices":[{{"delta":{{"x":{}"A"{}}}}}]}}"#, "[".repeat(200), "]".repeat(200));
    let many = format!(r#"{{"choices":[{{"delta":{{"content":[{}"A"]}}}}]}}"#, "\"A\",".repeat(MOST_TEXTS_OF_AN_EVENT));
    for data in ["{", "[\"A\"]", "A", "", &deep, &many] {
        assert!(StreamEvent::read(openai(), data).is_err(), "{data}");
        assert!(StreamEvent::read(anthropic(), data).is_err(), "{data}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[\\u{0}-\\u{1f}\"\\\\/a]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn strings_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings_of(item, found)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            found.push(name.clone());
            strings_of(field, found);
        }),
        Value::Number(number) => {
            let token = number.to_string();
            found.extend((token.bytes().filter(u8::is_ascii_digit).count() >= 12).then_some(token));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn the_scanner_sees_what_serde_sees(input in any_json(), pretty: bool) {
        let body = serde_json::json!({"model": "m", "input": input});
        let written = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let mut expect = Vec::new();
        strings_of(&input, &mut expect);
        let texts = request_texts(embeddings(), written.as_bytes()).unwrap().texts;
        prop_assert_eq!(values(&texts), expect);
        let is_string = |text: &Text| written[text.span.clone()].starts_with('"');
        let unchanged: Vec<_> = texts.into_iter().filter(is_string).map(|text| (text.span, text.value)).collect();
        let again: Value = serde_json::from_slice(&with_texts(written.as_bytes(), &unchanged)).unwrap();
        prop_assert_eq!(again, body);
    }

    #[test]
    fn no_bytes_make_the_scanner_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = request_texts(chat(), &bytes);
        let _ = StreamEvent::read(openai(), &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn characters_are_counted_as_the_texts_have_them() {
    let check = |operation: Operation, body: &str, expect: u64| {
        let texts = request_texts(operation, body.as_bytes()).unwrap().texts;
        let sum: usize = texts.iter().map(|text| text.value.chars().count()).sum();
        assert_eq!((sum as u64, request_characters(operation, body.as_bytes()).unwrap()), (expect, expect), "{body}");
    };
    let conversation =
        r#"{"model":"m","messages":[{"role":"user","content":"h\u00e9 \"\n"},{"role":"user","content":"é"}]}"#;
    check(chat(), conversation, 6);
    check(messages(), r#"{"model":"m","system":"ab","messages":[{"role":"user","content":"c"}]}"#, 3);
    check(embeddings(), r#"{"model":"m","input":["a","bc"]}"#, 3);
    assert!(request_characters(chat(), b"{").is_err());
}

#[test]
fn base64_is_read_however_it_is_announced() {
    let text = "card and address";
    let base64 = super::base64::of_text(text);
    let file =
        |data: &str| format!(r#"{{"messages":[{{"content":[{{"type":"file","file":{{"file_data":"{data}"}}}}]}}]}}"#);
    let source =
        |source: &str| format!(r#"{{"messages":[{{"content":[{{"type":"document","source":{{{source}}}}}]}}]}}"#);
    for head in [
        "",
        "data:text/plain;base64,",
        "DATA:text/plain;BASE64,",
        r"data:text\/plain;b\u0061se64,",
        "data:text/plain;charset=utf-8;base64 ,",
    ] {
        let body = file(&format!("{head}{base64}"));
        let texts = request_texts(chat(), body.as_bytes()).unwrap().texts;
        assert_eq!(values(&texts), [text], "{body}");
        let file = texts[0].replaced("x".into());
        assert!(file.ends_with("eA==") && file.len() >= head.len().saturating_sub(8), "{file}");
    }
    for source_of in [
        r#""type":"base64","media_type":"text/plain","data":"B""#,
        r#""type":"b\u0061se64","media_type":"text\/plain","data":"B""#,
        r#""type":"base64","media_type":"text/plain","data":"B","data":"B""#,
        r#""type":"text","media_type":"text/plain","data":"B","type":"base64""#,
    ] {
        let body = source(&source_of.replace(":\"B\"", &format!(":\"{base64}\"")));
        let texts = request_texts(messages(), body.as_bytes()).unwrap().texts;
        assert!(!texts.is_empty() && values(&texts).iter().all(|value| *value == text), "{body}: {texts:?}");
    }
}

#[test]
fn what_no_word_has_is_text_where_a_word_is_expected() {
    check_request(
        chat(),
        r#"{"service_tier":"to a@b.io","messages":[{"role":"the user","content":"A"},{"role":"tool","tool_call_id":"4111 1"}]}"#,
        &["to a@b.io", "the user", "A", "4111 1"],
    );
    check_request(
        chat(),
        r#"{"model":"meta/llama-3:free","messages":[{"role":"tool","tool_call_id":"call_a.b-C=","content":"A"}]}"#,
        &["A"],
    );
}

#[test]
fn an_event_with_a_field_twice_is_read_only_if_no_text_gets_lost() {
    let reads = |data: &str| StreamEvent::read(openai(), data).is_ok();
    for data in [
        r#"{"choices":[],"choices":[{"delta":{"content":"a"}}]}"#,
        r#"{"choices":[{"delta":{"content":"","content":"a","new":"b","new":"c"}}]}"#,
    ] {
        assert!(reads(data), "{data}");
    }
    for data in [
        r#"{"choices":[{"delta":{"content":"a","content":"b"}}]}"#,
        r#"{"choices":[{"delta":{"content":"a"},"d\u0065lta":{"content":"b"}}]}"#,
        r#"{"choices":[{"index":0,"index":0,"delta":{}}]}"#,
    ] {
        assert!(!reads(data), "{data}");
    }
}

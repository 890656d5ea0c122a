//! Where client and provider speak one schema, nothing is lost: not a byte of a request but the model's name, and not a byte
//! of an answer but that name, whatever fields somebody invents.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use weir_config::Action;
use weir_llm::Schema;
use weir_properties::input::{anthropic, openai, request, responses};
use weir_properties::proxy::{Proxy, UPSTREAM_MODEL};

fn schema() -> impl Strategy<Value = Schema> {
    prop_oneof![Just(openai()), Just(anthropic()), Just(responses())]
}

/// Any JSON, two levels deep, with numbers and characters that a careless copy would change.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        "[a-zäß€😀\"\\\\\n\u{2028} ]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_äé]{1,6}", inner, 0..3)
                .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// Fields that no schema has.
fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("x_[a-z]{1,5}", json_value(), 0..4).prop_map(|fields| fields.into_iter().collect())
}

fn written(value: &Value, pretty: bool) -> String {
    if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() }
}

fn send(schema: Schema, body: &str) -> Proxy {
    let profile = weir_properties::detectors::rules(Action::Flag, Action::Flag);
    match Proxy::send(schema, schema, profile, body.as_bytes()) {
        Ok(proxy) => proxy,
        Err(reply) => panic!("{} refused: {body}", String::from_utf8_lossy(&reply.body)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_request_keeps_every_byte_but_the_model(
        schema in schema(),
        pretty: bool,
        unknown in unknown_fields(),
        in_message in unknown_fields(),
        text in ".{0,12}",
    ) {
        let mut message = json!({"role": "user", "content": text});
        message.as_object_mut().unwrap().extend(in_message);
        let mut body = match schema.name() {
            "openai_responses" => json!({"store": true, "previous_response_id": "resp_0", "input": [message]}),
            _ => json!({"max_tokens": 5, "messages": [message]}),
        };
        body["model"] = "the-clients-model".into();
        body.as_object_mut().unwrap().extend(unknown);
        let body = written(&body, pretty);
        let proxy = send(schema, &body);
        prop_assert_eq!(
            String::from_utf8_lossy(proxy.sent_body()),
            body.replace("\"the-clients-model\"", &format!("\"{UPSTREAM_MODEL}\""))
        );
    }

    #[test]
    fn a_whole_answer_keeps_every_byte(schema in schema(), pretty: bool, unknown in unknown_fields(), text in ".{0,12}") {
        let mut answer = match schema.name() {
            "openai" => json!({"id": "1", "model": "m", "choices": [{"index": 0, "message": {"content": text}}]}),
            "openai_responses" => json!({"id": "1", "model": "m", "output": [
                {"type": "message", "content": [{"type": "output_text", "text": text}]}]}),
            _ => json!({"id": "1", "model": "m", "content": [{"type": "text", "text": text}]}),
        };
        answer.as_object_mut().unwrap().extend(unknown);
        let answer = written(&answer, pretty);
        let outcome = send(schema, request(schema, false)).answer("application/json", &[answer.as_bytes()]);
        prop_assert_eq!(String::from_utf8_lossy(&outcome.body), answer);
    }

    #[test]
    fn a_stream_keeps_every_byte(
        schema in schema(),
        unknown in prop::collection::vec(unknown_fields(), 1..4),
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        comment in "(: [a-z]{0,5})?",
    ) {
        let mut events: Vec<Value> = unknown
            .into_iter()
            .map(|unknown| {
                let mut event = match schema.name() {
                    "openai" => json!({"model": "m", "choices": [{"index": 0, "delta": {"content": "word "}}]}),
                    "openai_responses" => json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0,
                        "content_index": 0, "delta": "word "}),
                    _ => json!({"type": "content_block_delta", "index": 0,
                        "delta": {"type": "text_delta", "text": "word "}}),
                };
                event.as_object_mut().unwrap().extend(unknown);
                event
            })
            .collect();
        events.push(match schema.name() {
            "openai" => json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            "openai_responses" => json!({"type": "response.completed", "response": {"id": "r", "output": []}}),
            _ => json!({"type": "message_stop"}),
        });
        let mut stream = String::new();
        for event in events {
            stream += &format!("{comment}{line_end}id: 7{line_end}data:  {event}{line_end}{line_end}");
        }
        if schema == openai() {
            stream += &format!("data: [DONE]{line_end}{line_end}");
        }
        let outcome = send(schema, request(schema, true)).answer("text/event-stream", &[stream.as_bytes()]);
        // A CR at the very end may be half a CRLF; empty lines are added in case it was.
        let passed = String::from_utf8_lossy(&outcome.body);
        prop_assert_eq!(passed.trim_end(), stream.trim_end());
        prop_assert!(outcome.complete);
    }
}

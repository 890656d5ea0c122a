//! OpenAI's responses as the demo provider speaks them, event by event.

use serde_json::{Value, json};

use crate::provider::{Outcome, Provider};

const PATH: &str = "/v1/responses";

/// The events of a stream that was told to behave so.
async fn events(behaviour: Value, body: Value) -> Vec<Value> {
    let provider = Provider::start().await;
    let id = provider.scenario(&[behaviour]).await;
    let mut body = body;
    body["stream"] = true.into();
    let outcome = provider.ask(&format!("/s/{id}"), PATH, &body).await;
    let text = outcome.text();
    let events: Vec<Value> = text
        .split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once("\ndata: ").expect(event);
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect();
    let numbers: Vec<usize> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap() as usize).collect();
    assert_eq!(numbers, (0..events.len()).collect::<Vec<_>>());
    events
}

/// The events' types, each as often as they follow each other once, without what all begin with.
fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    types.dedup();
    types.into_iter().map(|name| name.trim_start_matches("response.")).collect()
}

fn hello() -> Value {
    json!({"model": "gpt-4o", "input": "Hello", "instructions": "Be brief."})
}

fn tool() -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"type": "function", "name": "weather", "parameters": parameters, "strict": false}])
}

#[tokio::test]
async fn a_text_comes_in_the_true_order_and_three_times() {
    let usage = json!({"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 9, "reasoning_tokens": 5});
    let told = json!({"type": "ok", "text": "It is a low dam.", "reasoning": "A weir is", "usage": usage});
    let events = events(told, hello()).await;
    let expect = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(types(&events), expect);
    let joined = |kind: &str| -> String {
        events.iter().filter(|event| event["type"] == kind).filter_map(|event| event["delta"].as_str()).collect()
    };
    assert_eq!(joined("response.output_text.delta"), "It is a low dam.");
    assert_eq!(joined("response.reasoning_summary_text.delta"), "A weir is");
    let whole = &events.last().unwrap()["response"];
    assert_eq!(whole["status"], "completed");
    assert_eq!(whole["instructions"], "Be brief.");
    assert_eq!(whole["output"][0]["summary"][0]["text"], "A weir is");
    assert_eq!(whole["output"][1]["content"][0]["text"], "It is a low dam.");
    assert_eq!(
        whole["usage"],
        json!({
            "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 19,
        })
    );
    assert_eq!(events[0]["response"]["usage"], Value::Null);
}

#[tokio::test]
async fn a_call_comes_in_the_true_order() {
    let mut body = hello();
    body["tools"] = tool();
    body["tool_choice"] = json!({"type": "function", "name": "weather"});
    let events = events(json!({"type": "ok", "chunks": 2}), body).await;
    let expect = [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(types(&events), expect);
    assert_eq!(events[2]["item"]["arguments"], "");
    let item = &events.last().unwrap()["response"]["output"][0];
    assert_eq!((&item["name"], &item["arguments"]), (&json!("weather"), &json!(r#"{"city":"Paris"}"#)));
}

#[tokio::test]
async fn what_does_not_end_well_says_so() {
    let mut short = hello();
    short["max_output_tokens"] = 16.into();
    let long = json!({"type": "ok", "text": "word ".repeat(40)});
    for (behaviour, body, last, status) in [
        (long, short, "incomplete", json!("incomplete")),
        (json!({"type": "fail_after", "chunks": 1}), hello(), "failed", json!("failed")),
        (json!({"type": "error_after", "chunks": 1}), hello(), "error", Value::Null),
        (json!({"type": "error_first_event"}), hello(), "error", Value::Null),
    ] {
        let events = events(behaviour, body).await;
        let event = events.last().unwrap();
        assert_eq!((types(&events).last(), &event["response"]["status"]), (Some(&last), &status), "{event}");
    }
}

#[tokio::test]
async fn what_the_real_one_refuses_is_refused() {
    let provider = Provider::start().await;
    let call = json!({"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"});
    let result = json!({"type": "function_call_output", "call_id": "a", "output": "rain"});
    let user = |kind: &str| json!({"role": "user", "content": [{"type": kind, "text": "Hello"}]});
    for (field, value, status) in [
        ("input", json!([user("input_text"), call, result]), 200),
        ("input", json!([user("text")]), 400),
        ("input", json!([call]), 400),
        ("input", json!([result]), 400),
        ("input", json!([]), 400),
        ("messages", json!([user("text")]), 400),
        ("max_tokens", json!(100), 400),
        ("max_output_tokens", json!(5), 400),
        ("stop", json!(["END"]), 400),
        ("stream_options", json!({"include_usage": true}), 400),
        ("tools", json!([{"type": "function", "function": {"name": "weather"}}]), 400),
        ("tool_choice", json!("required"), 400),
        ("text", json!({"format": {"type": "json_schema", "schema": {}}}), 400),
        ("text", json!({"format": {"type": "json_schema", "name": "a", "schema": {}}}), 200),
        ("model", json!("llama-3"), 404),
    ] {
        let mut body = hello();
        body[field] = value;
        let outcome = provider.ask("", PATH, &body).await;
        assert!(matches!(outcome, Outcome::Whole(found, _) if found == status), "{body}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_scenarios_api_begins_where_it_says() {
    let provider = Provider::start().await;
    let id = provider.scenario_below("/api/v3", &[]).await;
    for (path, status) in [("/api/v3/responses", 200), ("/v1/responses", 404), ("/api/v3/v1/responses", 404)] {
        let outcome = provider.ask(&format!("/s/{id}"), path, &hello()).await;
        assert!(matches!(outcome, Outcome::Whole(found, _) if found == status), "{path}: {outcome:?}");
    }
}

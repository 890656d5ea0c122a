use serde_json::{Value, json};
use weir_config::{Capabilities, MaxTokensField, StructuredOutput, SystemRole};

use super::{anthropic, openai, placed, text};
use crate::chat::*;

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { at: "messages[0]".to_owned(), role, parts }
}

/// A request of another schema's client.
fn request(messages: Vec<Message>) -> Request {
    Request {
        origin: anthropic(),
        model: "m".to_owned(),
        stream: false,
        messages,
        max_output_tokens: None,
        temperature: None,
        top_p: None,
        stop: Vec::new(),
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        user: None,
        response_format: None,
        reasoning: None,
        others: Vec::new(),
    }
}

fn hello() -> Request {
    request(vec![message(Role::User, vec![text("hi")])])
}

fn written(request: &Request, capabilities: &Capabilities) -> (Value, Vec<String>) {
    let written = write_request(openai(), request, capabilities).unwrap();
    let left_out = written.left_out.into_iter().map(|left_out| left_out.path).collect();
    (serde_json::from_slice(&written.body).unwrap(), left_out)
}

/// The messages that are written, and what is left out.
fn check(messages: Vec<Message>, expect: Value, left_out: &[&str]) {
    let (body, left) = written(&request(messages), &Capabilities::default());
    assert_eq!(body["messages"], expect);
    assert_eq!(left, left_out);
}

/// These fields are written, apart from model and messages, and this is left out.
fn check_fields(request: &Request, capabilities: &Capabilities, expect: Value, left_out: &[&str]) {
    let (mut body, left) = written(request, capabilities);
    body.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "model" | "messages"));
    assert_eq!(body, expect);
    assert_eq!(left, left_out);
}

fn check_refused(request: &Request, capabilities: &Capabilities, param: &str) {
    let error = write_request(openai(), request, capabilities).unwrap_err();
    assert_eq!((error.param.as_deref(), error.code), (Some(param), "unsupported_parameter"), "{error}");
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() })
}

fn result(call_id: &str, parts: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult { call_id: call_id.into(), parts, is_error: false })
}

fn image(at: &str) -> Part {
    Part::Image(placed(at, Image::Url("https://x/y.png".into())))
}

fn document(source: DocumentSource) -> Part {
    let document = Document { title: Some("T".into()), context: Some("C".into()), source };
    Part::Document(placed("messages[0].content[0]", document))
}

fn pdf() -> DocumentSource {
    DocumentSource::Base64 { media_type: "application/pdf".into(), data: "AA==".into() }
}

#[test]
fn results_in_several_messages_stand_right_behind_their_calls() {
    let json_call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    check(
        vec![
            message(Role::Assistant, vec![call("a"), call("b")]),
            message(Role::User, vec![result("a", vec![text("one"), image("x")])]),
            message(Role::System, vec![text("S")]),
            message(Role::User, vec![result("b", vec![text("two")]), text("go on")]),
        ],
        json!([
            {"role": "assistant", "content": null, "tool_calls": [json_call("a"), json_call("b")]},
            {"role": "tool", "tool_call_id": "a", "content": "one"},
            {"role": "tool", "tool_call_id": "b", "content": "two"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            {"role": "system", "content": "S"},
            {"role": "user", "content": "go on"},
        ]),
        &[],
    );
    check(
        vec![
            message(Role::Assistant, vec![text("I look.")]),
            message(Role::Assistant, vec![call("a")]),
            message(Role::Assistant, vec![text("And there."), call("b")]),
            message(Role::User, vec![result("a", vec![]), result("b", vec![])]),
        ],
        json!([
            {"role": "assistant", "content": "I look."},
            {"role": "assistant", "content": "And there.", "tool_calls": [json_call("a"), json_call("b")]},
            {"role": "tool", "tool_call_id": "a", "content": ""},
            {"role": "tool", "tool_call_id": "b", "content": ""},
        ]),
        &[],
    );
}

#[test]
fn what_earlier_turns_thought_and_that_a_tool_failed_is_left_out() {
    let failed = Part::ToolResult(ToolResult { call_id: "a".into(), parts: vec![text("no")], is_error: true });
    check(
        vec![
            message(Role::Assistant, vec![Part::Thinking { text: "hm".into(), signature: Some("s".into()) }]),
            message(Role::Assistant, vec![Part::RedactedThinking("x".into()), text("t")]),
            message(Role::User, vec![failed]),
        ],
        json!([{"role": "assistant", "content": "t"}, {"role": "tool", "tool_call_id": "a", "content": "no"}]),
        &["messages[0].content[0]", "messages[0].content[0]", "messages[0].content[0].is_error"],
    );
}

#[test]
fn a_result_that_only_says_that_its_tool_failed_says_it_in_words() {
    let failed = |parts: Vec<Part>| {
        message(Role::User, vec![Part::ToolResult(ToolResult { call_id: "a".into(), parts, is_error: true })])
    };
    let said = |content: &str| json!([{"role": "tool", "tool_call_id": "a", "content": content}]);
    check(vec![failed(vec![])], said("The tool failed."), &[]);
    check(vec![failed(vec![text("no")])], said("no"), &["messages[0].content[0].is_error"]);
}

#[test]
fn documents_and_sound_are_said() {
    let file = json!({"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,AA=="}});
    let audio = Part::Audio(placed("a", Audio { format: "wav".into(), data: "AA==".into() }));
    check(
        vec![
            message(Role::User, vec![document(DocumentSource::Text("text".into()))]),
            message(Role::User, vec![document(pdf()), audio]),
            message(Role::User, vec![result("a", vec![text("see"), document(pdf())])]),
        ],
        json!([
            {"role": "tool", "tool_call_id": "a", "content": "see"},
            {"role": "user", "content": [
                {"type": "text", "text": "T"}, {"type": "text", "text": "C"}, {"type": "text", "text": "text"},
            ]},
            {"role": "user", "content": [
                {"type": "text", "text": "C"}, file,
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ]},
            {"role": "user", "content": [{"type": "text", "text": "C"}, file]},
        ]),
        &[],
    );
}

#[test]
fn what_cannot_be_said_is_refused_with_its_path() {
    let all = Capabilities::default();
    let of = |role: Role, part: Part| request(vec![message(role, vec![part])]);
    let place = "messages[0].content[0]";
    let unknown = Part::Unknown(placed(place, json!({"type": "search_result"})));
    check_refused(&of(Role::User, unknown.clone()), &all, place);
    check_refused(&of(Role::User, result("a", vec![unknown])), &all, place);
    check_refused(&of(Role::User, document(DocumentSource::Url("https://x".into()))), &all, place);
    check_refused(&of(Role::User, document(DocumentSource::File("file_1".into()))), &all, place);
    check_refused(&of(Role::System, image(place)), &all, place);
    check_refused(&of(Role::Assistant, image(place)), &all, place);
    check_refused(&of(Role::User, call("a")), &all, place);
    check_refused(&of(Role::Assistant, result("a", vec![])), &all, place);
    let other = |path: &str| Other { path: path.into(), value: json!(1) };
    check_refused(&Request { others: vec![other("top_k")], ..hello() }, &all, "top_k");
    let no_media = Capabilities { images: false, documents: false, audio: false, ..Capabilities::default() };
    let audio = Part::Audio(placed(place, Audio { format: "wav".into(), data: "AA==".into() }));
    for part in [image(place), document(pdf()), audio] {
        check_refused(&of(Role::User, part), &no_media, place);
    }
}

fn tool(parameters: Value, strict: bool) -> Tool {
    Tool { name: "f".into(), description: None, parameters: Some(parameters), strict }
}

#[test]
fn a_server_gets_what_it_takes() {
    let request = Request {
        stream: true,
        max_output_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.25),
        tools: vec![tool(json!({"type": "object", "properties": {}, "additionalProperties": false}), true)],
        parallel_tool_calls: Some(true),
        reasoning: Some(Reasoning { effort: Some("low".into()), ..Reasoning::default() }),
        ..hello()
    };
    let function = |strict: bool| {
        let mut function = json!({"name": "f", "parameters":
            {"type": "object", "properties": {}, "additionalProperties": false}});
        if strict {
            function["strict"] = true.into();
        }
        json!([{"type": "function", "function": function}])
    };
    check_fields(
        &request,
        &Capabilities::default(),
        json!({
            "max_completion_tokens": 9, "temperature": 0.5, "top_p": 0.25, "parallel_tool_calls": true,
            "reasoning_effort": "low", "stream": true, "stream_options": {"include_usage": true}, "tools": function(true),
        }),
        &[],
    );
    let bare = Capabilities {
        max_tokens_field: MaxTokensField::MaxTokens,
        stream_options: false,
        temperature: false,
        strict_tools: false,
        parallel_tool_calls: false,
        reasoning_effort: false,
        ..Capabilities::default()
    };
    check_fields(
        &request,
        &bare,
        json!({"max_tokens": 9, "stream": true, "tools": function(false)}),
        &["temperature", "top_p", "tools[0].strict", "parallel_tool_calls", "reasoning"],
    );
    let one_of_both = Capabilities { temperature_with_top_p: false, ..Capabilities::default() };
    let sampled = Request { temperature: Some(0.5), top_p: Some(0.25), ..hello() };
    check_fields(&sampled, &one_of_both, json!({"temperature": 0.5}), &["top_p"]);
    check_fields(&Request { temperature: None, ..sampled }, &one_of_both, json!({"top_p": 0.25}), &[]);
    check_refused(&request, &Capabilities { tools: false, ..Capabilities::default() }, "tools");
    for (system_role, role) in
        [(SystemRole::System, "system"), (SystemRole::Developer, "developer"), (SystemRole::User, "user")]
    {
        let request = super::writes::request(vec![message(Role::System, vec![text("S")])]);
        let (body, _) = written(&request, &Capabilities { system_role, ..Capabilities::default() });
        assert_eq!(body["messages"], json!([{"role": role, "content": "S"}]));
    }
}

#[test]
fn strict_is_said_where_the_json_schema_allows_it() {
    let closed = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let string = json!({"type": "string"});
    for (schema, expect) in [
        (closed(json!({"a": string}), json!(["a"])), true),
        (closed(json!({"a": {"type": ["string", "null"]}}), json!(["a"])), true),
        (closed(json!({"a": closed(json!({}), json!([]))}), json!(["a"])), true),
        (closed(json!({"a": {"anyOf": [string, {"$ref": "#/$defs/x"}]}}), json!(["a"])), true),
        (closed(json!({"a": string}), json!([])), false),
        (closed(json!({"a": string, "b": string}), json!(["a"])), false),
        (json!({"type": "object", "properties": {}}), false),
        (closed(json!({"a": {"type": "array", "items": {"type": "object"}}}), json!(["a"])), false),
        (closed(json!({"a": {"oneOf": [string]}}), json!(["a"])), false),
        (closed(json!({"a": {}}), json!(["a"])), false),
        (json!({}), false),
        (string.clone(), false),
    ] {
        let format = ResponseFormat::JsonSchema { name: "n".into(), schema: schema.clone() };
        let request = Request { response_format: Some(format), tools: vec![tool(schema.clone(), true)], ..hello() };
        let (body, left_out) = written(&request, &Capabilities::default());
        assert_eq!(body["response_format"]["json_schema"]["strict"], expect, "{schema}");
        assert_eq!(body["tools"][0]["function"].get("strict").is_some(), expect, "{schema}");
        assert_eq!(left_out.is_empty(), expect, "{schema}");
    }
}

#[test]
fn the_form_of_an_answer_is_asked_of_servers_that_have_it() {
    let schema = Request {
        response_format: Some(ResponseFormat::JsonSchema { name: "n".into(), schema: json!({}) }),
        ..hello()
    };
    let any = Request { response_format: Some(ResponseFormat::JsonObject), ..hello() };
    let with = |structured_output| Capabilities { structured_output, ..Capabilities::default() };
    check_fields(&any, &with(StructuredOutput::JsonObject), json!({"response_format": {"type": "json_object"}}), &[]);
    check_refused(&schema, &with(StructuredOutput::JsonObject), "response_format");
    check_refused(&schema, &with(StructuredOutput::None), "response_format");
    check_refused(&any, &with(StructuredOutput::None), "response_format");
}

#[test]
fn parameters_are_of_an_object_with_properties() {
    for (parameters, expect) in [
        (json!({}), json!({"type": "object", "properties": {}})),
        (json!({"type": "object"}), json!({"type": "object", "properties": {}})),
        (json!({"properties": {"a": {}}}), json!({"properties": {"a": {}}, "type": "object"})),
        (json!({"type": "OBJECT", "properties": []}), json!({"type": "object", "properties": {}})),
        (json!({"type": ["object", "null"]}), json!({"type": "object", "properties": {}})),
        (json!({"type": null, "$defs": {}}), json!({"type": "object", "$defs": {}, "properties": {}})),
    ] {
        let request = Request { tools: vec![tool(parameters, false)], ..hello() };
        let (body, _) = written(&request, &Capabilities::default());
        assert_eq!(body["tools"][0]["function"]["parameters"], expect);
    }
}

#[test]
fn users_and_ids_are_within_bounds_and_stay_distinct() {
    let user = |user: &str| {
        let (body, _) = written(&Request { user: Some(user.into()), ..hello() }, &Capabilities::default());
        body["user"].as_str().unwrap().to_owned()
    };
    let (exact, long, other) = ("ä".repeat(64), "u".repeat(150), "u".repeat(151));
    assert_eq!(user(&exact), exact);
    assert_eq!((user(&long).len(), user(&other).len()), (64, 64));
    assert_ne!(user(&long), user(&other));
    let ids = ["x".repeat(41), "x".repeat(42), "x".repeat(40)];
    let results = ids.iter().map(|id| result(id, vec![])).collect();
    let (body, _) = written(
        &request(vec![message(Role::Assistant, ids.iter().map(|id| call(id)).collect()), message(Role::User, results)]),
        &Capabilities::default(),
    );
    let calls: Vec<_> = (0..3).map(|index| &body["messages"][0]["tool_calls"][index]["id"]).collect();
    let answers: Vec<_> = (1..4).map(|index| &body["messages"][index]["tool_call_id"]).collect();
    assert_eq!(calls, answers);
    assert!(calls[0] != calls[1] && calls.iter().all(|id| id.as_str().unwrap().len() <= 40));
    assert_eq!(calls[2], ids[2].as_str());
}

#[test]
fn stops_are_said_once_and_none_that_is_empty() {
    let stop = |stop: &[&str]| Request { stop: stop.iter().map(|text| (*text).to_owned()).collect(), ..hello() };
    check_fields(&stop(&["\n", "END"]), &Capabilities::default(), json!({"stop": ["\n", "END"]}), &[]);
    check_fields(&stop(&["", "a", "a"]), &Capabilities::default(), json!({"stop": ["a"]}), &["stop_sequences"]);
    check_fields(&stop(&[""]), &Capabilities::default(), json!({}), &["stop_sequences"]);
}

#[test]
fn more_stops_than_this_api_takes_are_refused() {
    let stop = |stop: &[&str]| Request { stop: stop.iter().map(|text| (*text).to_owned()).collect(), ..hello() };
    let (few, left) = (["a", "b", "c", "d"], ["stop_sequences"]);
    check_fields(&stop(&few), &Capabilities::default(), json!({"stop": few}), &[]);
    check_fields(&stop(&["a", "b", "", "c", "d", "a"]), &Capabilities::default(), json!({"stop": few}), &left);
    let many = ["a", "b", "c", "d", "e"];
    check_refused(&stop(&many), &Capabilities::default(), "stop_sequences");
    let takes_many = Capabilities { many_stop_sequences: true, ..Capabilities::default() };
    check_fields(&stop(&many), &takes_many, json!({"stop": many}), &[]);
}

#[test]
fn another_vendors_largest_effort_is_one_that_every_model_knows() {
    for (said, expect) in [("max", "high"), ("xhigh", "xhigh"), ("low", "low")] {
        let reasoning = Some(Reasoning { effort: Some(said.into()), ..Reasoning::default() });
        let request = Request { reasoning, ..hello() };
        check_fields(&request, &Capabilities::default(), json!({"reasoning_effort": expect}), &[]);
    }
}

#[test]
fn a_call_without_a_result_gets_an_empty_one() {
    let calls = |ids: &[&str]| -> Value {
        ids.iter()
            .map(|id| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}))
            .collect()
    };
    check(
        vec![
            message(Role::Assistant, vec![call("a"), call("b")]),
            message(Role::User, vec![result("b", vec![text("s")]), text("t")]),
            message(Role::Assistant, vec![call("b")]),
        ],
        json!([
            {"role": "assistant", "content": null, "tool_calls": calls(&["a", "b"])},
            {"role": "tool", "tool_call_id": "b", "content": "s"},
            {"role": "tool", "tool_call_id": "a", "content": ""},
            {"role": "user", "content": "t"},
            {"role": "assistant", "content": null, "tool_calls": calls(&["b"])},
            {"role": "tool", "tool_call_id": "b", "content": ""},
        ]),
        &[],
    );
}

#[test]
fn effort_is_said_in_words_only() {
    let budget = Reasoning { budget_tokens: Some(2_000), ..Reasoning::default() };
    let request = Request { reasoning: Some(budget), ..hello() };
    check_fields(&request, &Capabilities::default(), json!({}), &["reasoning"]);
}

#[test]
fn settings_that_the_vendors_apis_share_are_said() {
    let other = |path: &str| Other { path: path.into(), value: json!("x") };
    let shared = Request { origin: openai(), others: vec![other("service_tier")], ..hello() };
    check_fields(&shared, &Capabilities::default(), json!({"service_tier": "x"}), &[]);
    let of_another = Request { origin: anthropic(), ..shared };
    check_fields(&of_another, &Capabilities::default(), json!({}), &["service_tier"]);
}

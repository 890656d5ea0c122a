use serde_json::{Value, json};

use super::{anthropic, with};
use crate::chat::*;

fn read(body: &Value) -> Request {
    read_request(anthropic(), body.to_string().as_bytes()).unwrap()
}

fn check_block(role: &str, block: Value, expect: Part) {
    let request = read(&json!({"model": "m", "messages": [{"role": role, "content": [block]}]}));
    assert_eq!(request.messages[0].parts, [expect]);
    assert_eq!(request.others, [], "{block}");
}

fn placed<T>(value: T) -> Placed<T> {
    Placed { at: "messages[0].content[0]".to_owned(), value }
}

fn document(source: DocumentSource) -> Part {
    Part::Document(placed(Document { title: None, context: None, source }))
}

#[test]
fn every_block_has_its_part() {
    let source = |source: Value| json!({"type": "document", "source": source});
    check_block("user", json!({"type": "text", "text": "a", "citations": null}), Part::Text("a".into()));
    check_block(
        "user",
        source(json!({"type": "text", "media_type": "text/plain", "data": "a"})),
        document(DocumentSource::Text("a".into())),
    );
    check_block(
        "user",
        source(json!({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})),
        document(DocumentSource::Text("a\n\nb".into())),
    );
    check_block(
        "user",
        source(json!({"type": "base64", "media_type": "application/pdf", "data": "AA=="})),
        document(DocumentSource::Base64 { media_type: "application/pdf".into(), data: "AA==".into() }),
    );
    check_block(
        "user",
        source(json!({"type": "url", "url": "https://x/y.pdf"})),
        document(DocumentSource::Url("https://x/y.pdf".into())),
    );
    check_block(
        "user",
        source(json!({"type": "file", "file_id": "file_1"})),
        document(DocumentSource::File("file_1".into())),
    );
    check_block(
        "user",
        json!({"type": "document", "source": {"type": "url", "url": "https://x/y"}, "title": "T", "context": "C"}),
        Part::Document(placed(Document {
            title: Some("T".into()),
            context: Some("C".into()),
            source: DocumentSource::Url("https://x/y".into()),
        })),
    );
    check_block(
        "user",
        json!({"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [{"type": "text", "text": "a"}]}),
        Part::ToolResult(ToolResult { call_id: "t".into(), parts: vec![Part::Text("a".into())], is_error: true }),
    );
    check_block(
        "assistant",
        json!({"type": "thinking", "thinking": "", "signature": "s"}),
        Part::Thinking { text: String::new(), signature: Some("s".into()) },
    );
    check_block("assistant", json!({"type": "redacted_thinking", "data": "d"}), Part::RedactedThinking("d".into()));
    check_block(
        "assistant",
        json!({"type": "tool_use", "id": "t", "name": "f", "input": null}),
        Part::ToolCall(ToolCall { id: "t".into(), name: "f".into(), arguments: "{}".into() }),
    );
}

#[test]
fn a_block_that_the_model_has_no_place_for_is_carried_whole() {
    for (role, block) in [
        ("user", json!({"type": "search_result", "source": "s", "title": "t", "content": []})),
        ("user", json!({"type": "container_upload", "file_id": "f"})),
        ("user", json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
        ("assistant", json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}})),
        ("assistant", json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []})),
        ("assistant", json!({"type": "mcp_tool_use", "id": "m", "name": "n", "server_name": "x", "input": {}})),
        ("assistant", json!({"type": "compaction", "content": "c"})),
        ("assistant", json!({"type": "of_tomorrow", "with": {"what": 1}})),
    ] {
        check_block(role, block.clone(), Part::Unknown(placed(block)));
    }
}

fn check_others(body: Value, expect: &[(&str, Value)]) {
    let others = read(&body).others;
    let others: Vec<(&str, Value)> = others.iter().map(|other| (other.path.as_str(), other.value.clone())).collect();
    assert_eq!(others, expect);
}

#[test]
fn what_the_model_has_no_place_for_keeps_its_path_at_any_depth() {
    let cache = || json!({"type": "ephemeral"});
    check_others(
        with(json!({"top_k": 5, "container": null, "metadata": {"user_id": "u", "team": "t"}})),
        &[("top_k", json!(5)), ("metadata.team", json!("t"))],
    );
    check_others(
        with(json!({"system": [{"type": "text", "text": "S", "cache_control": cache()}]})),
        &[("system[0].cache_control", cache())],
    );
    let result = json!({"type": "tool_result", "tool_use_id": "t", "cache_control": cache(), "content": [
        {"type": "text", "text": "a", "citations": [{"start": 1}]},
    ]});
    check_others(
        with(json!({"messages": [{"role": "user", "content": [result]}]})),
        &[
            ("messages[0].content[0].cache_control", cache()),
            ("messages[0].content[0].content[0].citations", json!([{"start": 1}])),
        ],
    );
    let tool = json!({"type": "custom", "name": "f", "input_schema": {}, "defer_loading": true, "strict": null});
    check_others(with(json!({"tools": [tool]})), &[("tools[0].defer_loading", json!(true))]);
    check_others(
        with(json!({"tools": [{"name": "w", "type": "web_search_20260318", "max_uses": 3}]})),
        &[
            ("tools[0].type", json!("web_search_20260318")),
            ("tools[0].name", json!("w")),
            ("tools[0].max_uses", json!(3)),
        ],
    );
    check_others(
        with(
            json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low", "x": 1}}),
        ),
        &[("output_config.x", json!(1)), ("thinking.display", json!("omitted"))],
    );
    check_others(with(json!({"thinking": {"type": "between_tools"}})), &[("thinking.type", json!("between_tools"))]);
}

#[test]
fn every_hint_may_be_left_out_and_nothing_else() {
    let check =
        |path: &str, value: Value, expect: bool| assert_eq!(anthropic().is_hint(path, &value), expect, "{path}");
    check("cache_control", json!({}), true);
    check("messages[].content[].content[].cache_control", json!({}), true);
    check("messages[].content[].citations", json!({"enabled": true}), true);
    check("tools[].input_examples", json!([{}]), true);
    check("tools[].allowed_callers", json!(["direct"]), true);
    check("tools[].allowed_callers", json!(["code_execution_20260521"]), false);
    check("tools[].type", json!("web_search_20260318"), false);
    check("mcp_servers", json!([]), true);
    check("mcp_servers", json!([{"url": "https://x"}]), false);
    check("metadata.team", json!("t"), true);
    check("thinking.display", json!("omitted"), true);
    for path in ["top_k", "container", "inference_geo", "of_tomorrow", "messages[].of_tomorrow"] {
        check(path, json!(1), false);
    }
}

#[test]
fn thinking_and_effort_are_one_wish() {
    let check = |fields: Value, effort: Option<&str>, budget_tokens: Option<u64>, off: bool| {
        let expect = Reasoning { effort: effort.map(str::to_owned), budget_tokens, off };
        assert_eq!(read(&with(fields)).reasoning, Some(expect));
    };
    check(json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}), None, Some(2048), false);
    check(json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}), Some("low"), None, true);
    check(json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}), Some("max"), None, false);
    check(json!({"output_config": {"effort": "medium"}}), Some("medium"), None, false);
    assert_eq!(read(&with(json!({"thinking": null}))).reasoning, None);
}

#[test]
fn instructions_in_mid_conversation_stay_where_they_stand() {
    let request = read(&json!({"model": "m", "system": "S", "messages": [
        {"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"},
    ]}));
    let said: Vec<_> = request.messages.iter().map(|message| (message.at.as_str(), message.role)).collect();
    let expect = [
        ("system", Role::System),
        ("messages[0]", Role::User),
        ("messages[1]", Role::System),
        ("messages[2]", Role::User),
    ];
    assert_eq!(said, expect);
}

/// One bad call of the past does not end a conversation.
#[test]
fn what_an_earlier_call_held_is_carried_whatever_it_is() {
    for (input, expect) in
        [(json!("{\"a\":1}"), "{\"a\":1}"), (json!([1]), "[1]"), (json!(7), "7"), (json!(null), "{}")]
    {
        let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": input});
        let body = with(json!({"messages": [{"role": "assistant", "content": [call]}]}));
        let request = read_request(anthropic(), body.to_string().as_bytes()).unwrap();
        let Some(Part::ToolCall(call)) = request.messages[0].parts.first() else { panic!("{request:?}") };
        assert_eq!(call.arguments, expect);
    }
}

fn check_refused(fields: Value, param: &str) {
    let error = read_request(anthropic(), with(fields).to_string().as_bytes()).unwrap_err();
    assert_eq!((error.param.as_deref(), error.code), (Some(param), "invalid_request"), "{error}");
}

#[test]
fn what_is_malformed_is_refused_by_its_path() {
    let user = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    check_refused(user(json!({"text": "a"})), "messages[0].content[0].type");
    check_refused(user(json!({"type": "text", "text": 7})), "messages[0].content[0].text");
    check_refused(user(json!({"type": "text", "text": null})), "messages[0].content[0].text");
    check_refused(user(json!({"type": "image"})), "messages[0].content[0].source");
    check_refused(
        user(json!({"type": "document", "source": {"type": "base64", "data": ""}})),
        "messages[0].content[0].source.media_type",
    );
    check_refused(json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens");
    check_refused(json!({"tools": [{"name": "f"}]}), "tools[0].input_schema");
    check_refused(json!({"output_config": {"format": {"type": "json_object"}}}), "output_config.format.type");
    check_refused(json!({"metadata": {"user_id": 7}}), "metadata.user_id");
}

use weir_config::{Capabilities, MaxTokensField, SystemRole};

use super::openai;
use crate::json::spliced;

fn check(capabilities: &Capabilities, body: &str, expect: &str) {
    let mut edits = openai().adapt(body.as_bytes(), capabilities);
    assert_eq!(String::from_utf8(spliced(body.as_bytes(), &mut edits)).unwrap(), expect);
    serde_json::from_str::<serde_json::Value>(expect).unwrap();
}

fn all() -> Capabilities {
    Capabilities::default()
}

#[test]
fn a_server_that_takes_everything_gets_everything() {
    let body =
        r#" {"max_tokens": 1,"top_p":1 , "temperature":1,"stream_options":{}, "messages":[{"role":"developer"}]} "#;
    assert!(openai().adapt(body.as_bytes(), &all()).is_empty());
}

#[test]
fn the_bound_has_the_field_that_the_server_knows() {
    let older = Capabilities { max_tokens_field: MaxTokensField::MaxTokens, ..all() };
    check(&older, r#"{"model":"m", "max_completion_tokens" : 9, "x":1}"#, r#"{"model":"m","max_tokens":9, "x":1}"#);
    check(&older, r#"{ "max_completion_tokens":9}"#, r#"{"max_tokens":9}"#);
    check(&older, r#"{"max_completion_tokens":9,"max_tokens":8}"#, r#"{"max_tokens":8}"#);
    check(&older, r#"{"max_tokens":8, "a": "}{"}"#, r#"{"max_tokens":8, "a": "}{"}"#);
    check(&older, r#"{"max_tokens":null,"max_completion_tokens":9}"#, r#"{"max_tokens":9}"#);
    check(&older, r#"{"max_tokens":8,"max_completion_tokens":null}"#, r#"{"max_tokens":8}"#);
    let reasoning = Capabilities { temperature: false, ..all() };
    check(&reasoning, r#"{"max_tokens":9,"a":1}"#, r#"{"max_completion_tokens":9,"a":1}"#);
    let either = Capabilities { stream_options: false, ..all() };
    check(&either, r#"{"max_tokens":9,"a":1}"#, r#"{"max_tokens":9,"a":1}"#);
}

#[test]
fn settings_that_the_server_does_not_take_go_without_a_trace() {
    let bare = Capabilities {
        stream_options: false,
        temperature: false,
        parallel_tool_calls: false,
        reasoning_effort: false,
        state: false,
        ..all()
    };
    let gone = r#""stream_options":{"include_usage":true},"temperature":1,"top_p":0.5"#;
    check(&bare, &format!(r#"{{{gone},"a":1}}"#), r#"{"a":1}"#);
    check(&bare, &format!(r#"{{"a":1 , {gone} }}"#), r#"{"a":1 }"#);
    check(&bare, &format!(r#"{{"a":1,{gone}, "b": 2}}"#), r#"{"a":1,"b":2}"#);
    check(
        &bare,
        r#"{"store":true,"a":1,"reasoning_effort":"low","\"b{":2,"parallel_tool_calls":true}"#,
        r#"{"a":1,"\"b{":2}"#,
    );
    check(&bare, r#"{"temperature":1}"#, "{}");
    check(&bare, r#"{"\"{":1,"temperature":1}"#, r#"{"\"{":1}"#);
    let one_of_both = Capabilities { temperature_with_top_p: false, ..all() };
    check(&one_of_both, r#"{"top_p":1,"temperature":1}"#, r#"{"temperature":1}"#);
    check(&one_of_both, r#"{"top_p":1,"temperature":null}"#, r#"{"top_p":1,"temperature":null}"#);
}

#[test]
fn instructions_have_the_role_that_the_server_knows() {
    let body = |role: &str| {
        format!(r#"{{"messages":[ {{"content":"system","role":"{role}"}}, {{"role":"user","content":"a"}}]}}"#)
    };
    for (system_role, expect) in
        [(SystemRole::System, "system"), (SystemRole::Developer, "developer"), (SystemRole::User, "user")]
    {
        let capabilities = Capabilities { system_role, stream_options: false, ..all() };
        for role in ["system", "developer"] {
            check(&capabilities, &body(role), &body(expect));
        }
        check(&capabilities, &body("assistant"), &body("assistant"));
    }
}

#[test]
fn tools_lose_the_word_strict_alone() {
    let loose = Capabilities { strict_tools: false, ..all() };
    check(
        &loose,
        r#"{"tools":[{"type":"function","function":{"strict":true, "name":"f","parameters":{"strict":1}}}, 7]}"#,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"strict":1}}}, 7]}"#,
    );
    check(&loose, r#"{"tools":[{"function":{"strict":true}}]}"#, r#"{"tools":[{"function":{}}]}"#);
}

use weir_config::Capabilities;

use super::anthropic;
use crate::json::spliced;

#[track_caller]
fn check(capabilities: &Capabilities, body: &str, expect: &str) {
    let mut edits = anthropic().adapt(body.as_bytes(), capabilities);
    assert_eq!(String::from_utf8(spliced(body.as_bytes(), &mut edits)).unwrap(), expect);
    serde_json::from_str::<serde_json::Value>(expect).unwrap();
}

fn all() -> Capabilities {
    Capabilities::default()
}

#[test]
fn a_server_that_takes_everything_gets_everything() {
    let body = r#"{"temperature":1, "top_p":1,"thinking":{"type":"adaptive"}}"#;
    assert!(anthropic().adapt(body.as_bytes(), &all()).is_empty());
}

#[test]
fn settings_that_the_server_does_not_take_go_and_nothing_else_changes() {
    let one = Capabilities { temperature_with_top_p: false, ..all() };
    check(&one, r#"{ "temperature":1, "top_p":0.5, "top_k": 4 }"#, r#"{ "temperature":1,"top_k":4 }"#);
    check(&one, r#"{"top_p":0.5,"temperature":null}"#, r#"{"top_p":0.5,"temperature":null}"#);
    let none = Capabilities { temperature: false, ..all() };
    check(&none, r#"{"temperature":1,"model":"m","top_p":0.5}"#, r#"{"model":"m"}"#);
    let plain = Capabilities { reasoning_effort: false, ..all() };
    check(
        &plain,
        r#"{"thinking":{"type":"adaptive"},"model":"m","output_config":{"effort":"low","format":{"type":"json_schema"}}}"#,
        r#"{"model":"m","output_config":{"format":{"type":"json_schema"}}}"#,
    );
    let loose = Capabilities { strict_tools: false, parallel_tool_calls: false, ..all() };
    check(
        &loose,
        r#"{"tools":[{"name":"strict","strict":true},7],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#,
        r#"{"tools":[{"name":"strict"},7],"tool_choice":{"type":"auto"}}"#,
    );
    check(&loose, "[]", "[]");
}

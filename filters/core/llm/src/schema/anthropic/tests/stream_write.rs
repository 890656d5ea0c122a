use serde_json::Value;

use super::{anthropic, stream_options};
use crate::chat::Finish;
use crate::error::ProviderError;
use crate::stream::Delta;

fn write(deltas: &[Delta<'_>]) -> Result<String, ProviderError> {
    let mut writer = anthropic().stream_writer(stream_options());
    let mut out = Vec::new();
    for delta in deltas {
        writer.write(delta, &mut out)?;
    }
    Ok(String::from_utf8(out).unwrap())
}

/// What a client reads between `message_start` and the end, one line for each event.
#[track_caller]
fn check(deltas: &[Delta<'_>], expect: &[&str]) {
    let written = write(&[deltas, &[finish(), Delta::End]].concat()).unwrap();
    let events = written.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|data| serde_json::from_str(data).unwrap()).collect();
    let mut told: Vec<String> = events.iter().map(tell).collect();
    assert_eq!(told.remove(0), "message_start");
    assert_eq!(told.split_off(told.len() - 2), ["message_delta", "message_stop"]);
    assert_eq!(told, expect);
    let of_block = |kind: &'static str| {
        events.iter().filter(move |event| event["type"] == kind).map(|event| event["index"].as_u64())
    };
    assert!(of_block("content_block_start").eq(of_block("content_block_stop")), "blocks follow each other");
}

fn tell(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match event["type"].as_str().unwrap() {
        "content_block_start" => {
            let block = &event["content_block"];
            let words = [text(&block["type"]), text(&block["id"]), text(&block["name"])];
            words.join(" ").trim_end().to_owned()
        }
        "content_block_delta" => {
            format!("  {}{}", text(&event["delta"]["text"]), text(&event["delta"]["partial_json"]))
        }
        "content_block_stop" => "stop".to_owned(),
        other => other.to_owned(),
    }
}

fn call(key: u32, id: &'static str, name: &'static str) -> Delta<'static> {
    Delta::ToolCall { key, id: id.into(), name: name.into() }
}

fn arguments(key: u32, json: &str) -> Delta<'_> {
    Delta::Arguments { key, json: json.into() }
}

fn said(text: &str) -> Delta<'_> {
    Delta::Text(text.into())
}

fn finish() -> Delta<'static> {
    Delta::Finish { finish: Finish::ToolCalls, stop_sequence: None }
}

#[test]
fn calls_whose_arguments_mix_follow_each_other_whole() {
    check(
        &[
            call(0, "a", "f"),
            arguments(0, "{\"q\":"),
            call(1, "b", "g"),
            arguments(1, "{\"r\""),
            arguments(0, "1}"),
            arguments(1, ":2}"),
        ],
        &["tool_use a f", "  {\"q\":", "  1}", "stop", "tool_use b g", "  {\"r\"", "  :2}", "stop"],
    );
    check(
        &[call(0, "a", "f"), call(1, "b", "g"), arguments(1, "{}"), call(2, "c", "h"), arguments(0, "{}")],
        &["tool_use a f", "  {}", "stop", "tool_use b g", "  {}", "stop", "tool_use c h", "stop"],
    );
}

#[test]
fn braces_and_quotes_in_a_string_end_no_arguments() {
    let pieces = ["{\"q\":\"}", "\\\"}", "\\", "\\\""];
    let mut deltas = vec![call(0, "a", "f")];
    deltas.extend(pieces.map(|piece| arguments(0, piece)));
    deltas.extend([said("t"), arguments(0, "}"), Delta::Ping]);
    let written = pieces.map(|piece| format!("  {piece}"));
    let mut expect = vec!["tool_use a f"];
    expect.extend(written.iter().map(String::as_str));
    expect.extend(["  }", "stop", "text", "  t", "ping", "stop"]);
    check(&deltas, &expect);
}

#[test]
fn a_text_between_pieces_of_arguments_keeps_the_call_whole() {
    check(
        &[call(0, "a", "f"), arguments(0, "{\"q\":"), said("\n"), arguments(0, "1}")],
        &["tool_use a f", "  {\"q\":", "  1}", "stop"],
    );
    check(
        &[call(0, "a", "f"), arguments(0, "{\"}"), said("so"), said("!"), arguments(0, "\":1}"), said(" then")],
        &["tool_use a f", "  {\"}", "  \":1}", "stop", "text", "  so!", "   then", "stop"],
    );
    check(
        &[said("a"), call(0, "a", "f"), arguments(0, "{}"), said("b")],
        &["text", "  a", "stop", "tool_use a f", "  {}", "stop", "text", "  b", "stop"],
    );
}

#[test]
fn a_call_begins_when_its_name_is_known() {
    check(
        &[call(0, "a", ""), arguments(0, "{"), said("t"), call(0, "", "f"), arguments(0, "}"), call(0, "a", "f")],
        &["text", "  t", "stop", "tool_use a f", "  {", "  }", "stop"],
    );
    assert!(write(&[call(0, "a", ""), finish(), Delta::End]).is_err());
    check(&[call(0, "", ""), said("t")], &["text", "  t", "stop"]);
}

#[test]
fn ids_are_made_where_they_are_missing_and_stay_distinct() {
    check(
        &[call(0, "", "f"), arguments(0, "{}"), call(1, "x:", "f"), arguments(1, "{}"), call(2, "x.", "f")],
        &["tool_use id_0 f", "  {}", "stop", "tool_use x_ f", "  {}", "stop", "tool_use x__2 f", "stop"],
    );
}

#[test]
fn arguments_that_are_no_object_are_said_as_in_whole_answers() {
    check(&[call(0, "a", "f"), arguments(0, "nu"), arguments(0, "ll")], &["tool_use a f", "stop"]);
    check(&[call(0, "a", "f"), arguments(0, " ")], &["tool_use a f", "stop"]);
    check(
        &[call(0, "a", "f"), arguments(0, "[1"), arguments(0, "]")],
        &["tool_use a f", "  {\"invalid_json\":\"[1]\"}", "stop"],
    );
}

#[test]
fn a_block_that_ended_makes_way() {
    check(
        &[call(0, "a", "f"), call(1, "b", "g"), Delta::BlockEnd { key: 0 }, arguments(1, "{"), arguments(1, "}")],
        &["tool_use a f", "stop", "tool_use b g", "  {", "  }", "stop"],
    );
    let late = [call(0, "a", "f"), arguments(0, "{}"), said("t"), arguments(0, "{}")];
    assert!(write(&late).is_err());
}

#[test]
fn what_is_held_back_is_bounded() {
    let piece = "x".repeat(1 << 10);
    let mut deltas = vec![call(0, "a", "f"), call(1, "b", "g")];
    deltas.extend((0..1023).map(|_| arguments(1, &piece)));
    assert!(write(&deltas).is_ok());
    deltas.extend((0..2).map(|_| arguments(1, &piece)));
    assert!(write(&deltas).is_err());
    let texts: Vec<_> = [call(0, "a", "f")].into_iter().chain((0..1025).map(|_| said(&piece))).collect();
    assert!(write(&texts).is_err());
    let many: Vec<_> = (0..10_001).map(|key| call(key, "a", "f")).collect();
    assert!(write(&many).is_err());
}

#[test]
fn what_was_written_makes_room() {
    let piece = format!("{{\"q\":\"{}\"}}", "x".repeat(1 << 10));
    let rounds = (0..2_000).flat_map(|round| {
        let (one, other) = (round * 2, round * 2 + 1);
        let text = Delta::Text(piece.as_str().into());
        [call(one, "a", "f"), call(other, "b", "f"), text, arguments(other, &piece), arguments(one, &piece)]
    });
    assert!(write(&rounds.collect::<Vec<_>>()).is_ok());
    let many: Vec<_> = (0..9_000).flat_map(|round| [call(0, "a", "f"), call(round + 1, "", ""), said("t")]).collect();
    assert!(write(&[&[call(0, "a", "f"), arguments(0, "{}")][..], &many].concat()).is_ok());
}

#[test]
fn arguments_that_are_broken_are_made_an_object_that_says_so() {
    check(
        &[call(0, "a", "f"), arguments(0, "{\"q\": oo"), arguments(0, "ps}"), call(1, "b", "g"), arguments(1, "{}")],
        &["tool_use a f", "  {\"q\": ", "  null,\"invalid_json\":\"oops}\"}", "stop", "tool_use b g", "  {}", "stop"],
    );
    check(&[call(0, "a", "f"), arguments(0, "{\"q\":\"1\n2\"}")], &["tool_use a f", "  {\"q\":\"1\\u000a2\"}", "stop"]);
    check(
        &[call(0, "a", "f"), arguments(0, "{\"q\":1")],
        &["tool_use a f", "  {\"q\":1", "  ,\"invalid_json\":\"\"}", "stop"],
    );
    let length = Delta::Finish { finish: Finish::Length, stop_sequence: None };
    let cut_off = write(&[call(0, "a", "f"), arguments(0, "{\"q\":1"), length, Delta::End]).unwrap();
    assert!(!cut_off.contains("invalid_json"), "{cut_off}");
}

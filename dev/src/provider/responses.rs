//! OpenAI's responses, after the types of its official SDK.

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Ask, Content, LastTurn, Tool, Usage, stable_letters, tokens};
use super::api::{Api, Event, Events, Refusal, characters, named_schema, read_flag, read_model, text_of};
use super::openai::{CREATED, ChatCompletions, call_id};

/// Responses.
pub(crate) struct Responses;

/// Fields of chat completions that have another name here.
const MOVED: [(&str, &str); 5] = [
    ("messages", "input"),
    ("response_format", "text.format"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
];
/// Fields of chat completions that there are none of here; what is unknown is refused.
const UNKNOWN: [&str; 7] = ["stop", "n", "seed", "logit_bias", "frequency_penalty", "presence_penalty", "logprobs"];
/// The least that `max_output_tokens` may say.
const LEAST_OUTPUT_TOKENS: u64 = 16;
/// What a response repeats of its request, and what it says where the request did not.
const REPEATED: [(&str, &str); 17] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("store", "true"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"},"verbosity":"medium"}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

impl Api for Responses {
    fn path(&self) -> &'static str {
        "/responses"
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        ChatCompletions.authorize(headers)
    }

    fn read(&self, _path: &str, body: &Value) -> Result<Ask, Refusal> {
        let model = read_model(body)?;
        refuse_others_fields(body)?;
        let max_tokens = body["max_output_tokens"].as_u64();
        if max_tokens.is_some_and(|limit| limit < LEAST_OUTPUT_TOKENS) {
            let reason = format!(
                "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {LEAST_OUTPUT_TOKENS}."
            );
            return Err(Refusal::invalid("max_output_tokens", reason));
        }
        let input = ["instructions", "input", "tools"].map(|field| characters(&body[field]));
        Ok(Ask {
            model,
            stream: read_flag(body, "stream")?,
            include_usage: true,
            last_turn: last_turn(body)?,
            forced_tool: forced_tool(body)?,
            schema: format(body)?,
            input_characters: input.iter().sum(),
            max_tokens,
            repeated: repeated(body),
        })
    }

    fn counts_at(&self, path: &str) -> bool {
        path == "/responses/input_tokens"
    }

    fn count(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        let asked = self.read(path, body)?;
        Ok(json!({"object": "response.input_tokens", "input_tokens": tokens(asked.input_characters)}))
    }

    fn whole(&self, answer: &Answer) -> Value {
        response(answer, State::ended(answer))
    }

    fn events(&self, answer: &Answer, pieces: &[String], _include_usage: bool) -> Events {
        let began = || json!({"response": response(answer, State::InProgress)});
        let mut opening = vec![("response.created", began()), ("response.in_progress", began())];
        opening.extend(reasoned(answer));
        let at = u8::from(answer.reasoning.is_some());
        let id = item_id(answer);
        let added = json!({"output_index": at, "item": item(answer, "in_progress", "")});
        opening.push(("response.output_item.added", added));
        let part = |text: &str| json!({"item_id": id, "output_index": at, "content_index": 0, "part": text_part(text)});
        let (content, mut closing): (Vec<_>, Vec<_>) = match &answer.content {
            Content::Text(text) => {
                opening.push(("response.content_part.added", part("")));
                let delta = |piece: &String| {
                    json!({"item_id": id, "output_index": at, "content_index": 0, "delta": piece, "logprobs": [],
                           "obfuscation": stable_letters(piece)})
                };
                let done = json!({"item_id": id, "output_index": at, "content_index": 0, "text": text, "logprobs": []});
                (
                    pieces.iter().map(|piece| ("response.output_text.delta", delta(piece))).collect(),
                    vec![("response.output_text.done", done), ("response.content_part.done", part(text))],
                )
            }
            Content::ToolCall { name, arguments, .. } => {
                let delta = |piece: &String| json!({"item_id": id, "output_index": at, "delta": piece, "obfuscation": stable_letters(piece)});
                let done = json!({"item_id": id, "output_index": at, "name": name, "arguments": arguments.to_string()});
                (
                    pieces.iter().map(|piece| ("response.function_call_arguments.delta", delta(piece))).collect(),
                    vec![("response.function_call_arguments.done", done)],
                )
            }
        };
        let state = State::ended(answer);
        let whole = said(answer);
        closing.push((
            "response.output_item.done",
            json!({"output_index": at, "item": item(answer, state.of_item(), &whole)}),
        ));
        closing.push((state.event(), json!({"response": response(answer, state)})));
        let (first, then) = (opening.len(), opening.len() + content.len());
        Events { opening: numbered(0, opening), content: numbered(first, content), closing: numbered(then, closing) }
    }

    fn error(&self, refusal: &Refusal) -> Value {
        ChatCompletions.error(refusal)
    }

    fn overloaded(&self) -> Refusal {
        ChatCompletions.overloaded()
    }

    fn error_event(&self, sent: usize) -> Event {
        let message = self.overloaded().message;
        event("error", sent, json!({"code": "server_error", "message": message, "param": null}))
    }

    fn failed(&self, answer: &Answer) -> Option<Value> {
        Some(response(answer, State::Failed))
    }

    fn failed_event(&self, answer: &Answer, sent: usize) -> Event {
        event(State::Failed.event(), sent, json!({"response": response(answer, State::Failed)}))
    }

    fn model(&self, id: &str) -> Value {
        ChatCompletions.model(id)
    }

    fn models(&self, ids: &[&str]) -> Value {
        ChatCompletions.models(ids)
    }
}

/// How far a response is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

impl State {
    fn ended(answer: &Answer) -> State {
        if answer.cut { State::Incomplete } else { State::Completed }
    }

    fn name(self) -> &'static str {
        match self {
            State::InProgress => "in_progress",
            State::Completed => "completed",
            State::Incomplete => "incomplete",
            State::Failed => "failed",
        }
    }

    /// The event that says so.
    fn event(self) -> &'static str {
        match self {
            State::InProgress => "response.in_progress",
            State::Completed => "response.completed",
            State::Incomplete => "response.incomplete",
            State::Failed => "response.failed",
        }
    }

    /// The status of the last item of a response in this state.
    fn of_item(self) -> &'static str {
        match self {
            State::InProgress => "in_progress",
            State::Completed => "completed",
            State::Incomplete | State::Failed => "incomplete",
        }
    }
}

/// The object that a whole answer is, and that events of the life cycle carry: empty at first, whole at the end.
fn response(answer: &Answer, state: State) -> Value {
    let is_whole = matches!(state, State::Completed | State::Incomplete);
    let mut output = Vec::new();
    if is_whole {
        output.extend(reasoning_item(answer));
        output.push(item(answer, state.of_item(), &said(answer)));
    }
    let message = ChatCompletions.overloaded().message;
    let mut response = json!({
        "id": format!("resp_{}", answer.id), "object": "response", "created_at": CREATED, "status": state.name(),
        "background": false,
        "error": if state == State::Failed { json!({"code": "server_error", "message": message}) } else { Value::Null },
        "incomplete_details": if state == State::Incomplete { json!({"reason": "max_output_tokens"}) } else { Value::Null },
        "model": answer.model, "output": output, "service_tier": "default", "top_logprobs": 0,
        "usage": if is_whole { usage(answer.usage) } else { Value::Null },
    });
    for (field, otherwise) in REPEATED {
        let said = answer.repeated.get(field).filter(|said| !said.is_null()).cloned();
        response[field] = said.unwrap_or_else(|| serde_json::from_str(otherwise).unwrap_or_default());
    }
    response
}

fn item_id(answer: &Answer) -> String {
    match answer.content {
        Content::Text(_) => format!("msg_{}", answer.id),
        Content::ToolCall { .. } => format!("fc_{}", answer.id),
    }
}

/// The text, or the arguments, of an answer.
fn said(answer: &Answer) -> String {
    match &answer.content {
        Content::Text(text) => text.clone(),
        Content::ToolCall { arguments, .. } => arguments.to_string(),
    }
}

/// The item that holds the answer's content; `said` is as much of it as was said, nothing at first.
fn item(answer: &Answer, status: &str, said: &str) -> Value {
    let id = item_id(answer);
    match &answer.content {
        Content::Text(_) => {
            let content = if status == "in_progress" { json!([]) } else { json!([text_part(said)]) };
            json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
        }
        Content::ToolCall { id: call, name, .. } => {
            json!({"id": id, "type": "function_call", "status": status, "call_id": call_id(call), "name": name,
                   "arguments": said})
        }
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn reasoning_id(answer: &Answer) -> String {
    format!("rs_{}", answer.id)
}

fn reasoning_item(answer: &Answer) -> Option<Value> {
    let summary = answer.reasoning.as_ref()?;
    let mut item = json!({"id": reasoning_id(answer), "type": "reasoning",
                          "summary": [{"type": "summary_text", "text": summary}]});
    let included = answer.repeated["include"].as_array();
    if included.is_some_and(|names| names.iter().any(|name| name == "reasoning.encrypted_content")) {
        item["encrypted_content"] = format!("gAAAAA{}", stable_letters(summary)).into();
    }
    Some(item)
}

/// The events of the item that holds the reasoning's summary, which comes first.
fn reasoned(answer: &Answer) -> Vec<(&'static str, Value)> {
    let (Some(summary), Some(item)) = (&answer.reasoning, reasoning_item(answer)) else { return Vec::new() };
    let id = reasoning_id(answer);
    let of_part =
        |field: &str, value: Value| json!({"item_id": id, "output_index": 0, "summary_index": 0, field: value});
    let part = |text: &str| of_part("part", json!({"type": "summary_text", "text": text}));
    let empty = json!({"id": id, "type": "reasoning", "summary": []});
    let mut events = vec![
        ("response.output_item.added", json!({"output_index": 0, "item": empty})),
        ("response.reasoning_summary_part.added", part("")),
    ];
    for piece in summary.split_inclusive(' ') {
        let mut delta = of_part("delta", piece.into());
        delta["obfuscation"] = stable_letters(piece).into();
        events.push(("response.reasoning_summary_text.delta", delta));
    }
    events.push(("response.reasoning_summary_text.done", of_part("text", summary.as_str().into())));
    events.push(("response.reasoning_summary_part.done", part(summary)));
    events.push(("response.output_item.done", json!({"output_index": 0, "item": item})));
    events
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens(),
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    })
}

fn numbered(first: usize, events: Vec<(&'static str, Value)>) -> Vec<Event> {
    events.into_iter().enumerate().map(|(index, (kind, data))| event(kind, first + index, data)).collect()
}

/// An event says its type twice, and its number in the stream.
fn event(kind: &'static str, number: usize, data: Value) -> Event {
    let mut whole = json!({"type": kind, "sequence_number": number});
    if let (Value::Object(whole), Value::Object(data)) = (&mut whole, data) {
        whole.extend(data);
    }
    Event { name: Some(kind), data: whole.to_string() }
}

fn refuse_others_fields(body: &Value) -> Result<(), Refusal> {
    let is_there = |field: &str| !body[field].is_null();
    if let Some((field, instead)) = MOVED.into_iter().find(|(field, _)| is_there(field)) {
        let reason =
            format!("Unsupported parameter: '{field}'. In the Responses API, this parameter has moved to '{instead}'.");
        return Err(Refusal::invalid(field, reason));
    }
    if let Some(field) = UNKNOWN.into_iter().find(|field| is_there(field)) {
        return Err(Refusal::invalid(field, format!("Unknown parameter: '{field}'.")));
    }
    if !body["stream_options"]["include_usage"].is_null() {
        return Err(Refusal::invalid("stream_options", "Unknown parameter: 'stream_options.include_usage'."));
    }
    Ok(())
}

/// The last user text or tool result; refuses items, parts and results that the real API refuses.
fn last_turn(body: &Value) -> Result<LastTurn, Refusal> {
    let items = match &body["input"] {
        Value::String(text) if !text.is_empty() => return Ok(LastTurn::User(text.clone())),
        Value::Array(items) if !items.is_empty() => items,
        _ => return Err(Refusal::invalid("input", "Missing required parameter: 'input'.")),
    };
    // What it refers to may stand in the earlier response, which nobody here remembers.
    let goes_on = !body["previous_response_id"].is_null();
    let mut turn = LastTurn::User(String::new());
    let mut open_calls: Vec<&str> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match item["type"].as_str().unwrap_or("message") {
            "message" => {
                let role = item["role"].as_str().unwrap_or_default();
                check_parts(index, role, &item["content"])?;
                if role == "user" {
                    turn = LastTurn::User(text_of(&item["content"]));
                }
            }
            "function_call" => {
                for field in ["call_id", "name", "arguments"] {
                    if !item[field].is_string() {
                        return Err(missing(index, field));
                    }
                }
                open_calls.extend(item["call_id"].as_str());
            }
            "function_call_output" => {
                let call = item["call_id"].as_str().unwrap_or_default();
                if !goes_on && !open_calls.contains(&call) {
                    let reason = format!("No tool call found for function call output with call_id {call}.");
                    return Err(Refusal::invalid("input", reason));
                }
                open_calls.retain(|open| *open != call);
                turn = LastTurn::ToolResult(text_of(&item["output"]));
            }
            "reasoning" if !item["summary"].is_array() => return Err(missing(index, "summary")),
            "reasoning" | "item_reference" => {}
            kind => {
                return Err(Refusal::invalid("input", format!("Invalid value: '{kind}' at 'input[{index}].type'.")));
            }
        }
    }
    match open_calls.first() {
        Some(call) => Err(Refusal::invalid("input", format!("No tool output found for function call {call}."))),
        None => Ok(turn),
    }
}

fn missing(index: usize, field: &str) -> Refusal {
    Refusal::invalid("input", format!("Missing required parameter: 'input[{index}].{field}'."))
}

fn check_parts(index: usize, role: &str, content: &Value) -> Result<(), Refusal> {
    let kinds: &[&str] = match role {
        "assistant" => &["output_text", "refusal"],
        "user" | "system" | "developer" => &["input_text", "input_image", "input_file", "input_audio"],
        _ => return Err(Refusal::invalid("input", format!("Invalid value: '{role}' at 'input[{index}].role'."))),
    };
    for part in content.as_array().into_iter().flatten() {
        let kind = part["type"].as_str().unwrap_or_default();
        if !kinds.contains(&kind) {
            let reason = format!("Invalid value: '{kind}'. Supported values are: '{}'.", kinds.join("', '"));
            return Err(Refusal::invalid("input", reason));
        }
    }
    Ok(())
}

fn forced_tool(body: &Value) -> Result<Option<Tool>, Refusal> {
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let functions = || tools.iter().filter(|tool| tool["type"] == "function");
    if functions().any(|tool| !tool["name"].is_string()) {
        return Err(Refusal::invalid("tools", "Missing required parameter: 'tools[0].name'."));
    }
    let choice = &body["tool_choice"];
    let wanted = match choice.as_str() {
        Some("required") => None,
        Some("auto" | "none") => return Ok(None),
        None if choice.is_null() => return Ok(None),
        None if choice["type"] == "function" => Some(choice["name"].as_str().unwrap_or_default()),
        _ => return Err(Refusal::invalid("tool_choice", "Invalid value for 'tool_choice'.")),
    };
    let tool = functions().find(|tool| wanted.is_none_or(|name| tool["name"] == name));
    let tool = tool.ok_or_else(|| Refusal::invalid("tool_choice", "Tool choice names no tool of 'tools'."))?;
    let name = tool["name"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Tool { name, schema: tool["parameters"].clone() }))
}

/// The schema that the answer is to have.
fn format(body: &Value) -> Result<Option<Value>, Refusal> {
    let format = &body["text"]["format"];
    match format["type"].as_str() {
        None if format.is_null() => Ok(None),
        Some("text" | "json_object") => Ok(None),
        Some("json_schema") => named_schema(format, "text.format").map(Some),
        _ => Err(Refusal::invalid("text.format", "Invalid value for 'text.format.type'.")),
    }
}

fn repeated(body: &Value) -> Value {
    let names = REPEATED.into_iter().map(|(name, _)| name).chain(["include"]);
    names.map(|name| (name.to_owned(), body[name].clone())).collect::<Map<_, _>>().into()
}

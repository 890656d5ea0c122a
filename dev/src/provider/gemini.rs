//! Gemini's `generateContent`, after the types of its official SDK. The model and whether the answer streams stand in the path.

use http::HeaderMap;
use serde_json::{Value, json};

use super::answer::{Answer, Ask, Content, LastTurn, Tool, Usage, stable_letters, tokens};
use super::api::{Api, Event, Events, Refusal, characters, is_served, text_of};
use super::embeddings::vector;

const WHOLE: &str = ":generateContent";
const STREAMED: &str = ":streamGenerateContent";
const EMBEDDED: &str = ":embedContent";
const EMBEDDED_IN_BATCH: &str = ":batchEmbedContents";
/// Length of a vector.
const EMBEDDED_DIMENSIONS: u64 = 768;

/// Contents.
pub(crate) struct GenerateContent;

impl Api for GenerateContent {
    fn path(&self) -> &'static str {
        "/models/"
    }

    fn is_at(&self, path: &str) -> bool {
        path.starts_with(self.path()) && (path.ends_with(WHOLE) || path.ends_with(STREAMED))
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        // Vertex AI takes a token in the other one.
        match headers.get("x-goog-api-key").or_else(|| headers.get("authorization")) {
            Some(key) if !key.is_empty() => Ok(()),
            _ => Err(Refusal { status: 403, message: "Method doesn't allow unregistered callers".into(), param: None }),
        }
    }

    fn read(&self, path: &str, body: &Value) -> Result<Ask, Refusal> {
        let named = path.trim_start_matches(self.path());
        let (model, _) = named.rsplit_once(':').unwrap_or_default();
        if !is_served(model) {
            return Err(Refusal::unknown_model(model));
        }
        if let Some(unknown) =
            body.as_object().and_then(|fields| fields.keys().find(|name| !FIELDS.contains(&name.as_str())))
        {
            let message = format!("Invalid JSON payload received. Unknown name \"{unknown}\": Cannot find field.");
            return Err(Refusal::invalid("body", message));
        }
        let contents = body["contents"].as_array().filter(|contents| !contents.is_empty());
        let contents = contents.ok_or_else(|| {
            Refusal::invalid("contents", "* GenerateContentRequest.contents: contents is not specified")
        })?;
        let settings = &body["generationConfig"];
        Ok(Ask {
            model: model.to_owned(),
            stream: named.ends_with(STREAMED),
            include_usage: true,
            last_turn: last_turn(contents, model)?,
            forced_tool: forced_tool(body)?,
            schema: schema(settings)?,
            input_characters: characters(&body["systemInstruction"])
                + characters(&body["contents"])
                + characters(&body["tools"]),
            max_tokens: settings["maxOutputTokens"].as_u64(),
            repeated: Value::Null,
        })
    }

    fn counts_at(&self, path: &str) -> bool {
        path.starts_with(self.path()) && path.ends_with(":countTokens")
    }

    fn count(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        let whole = &body["generateContentRequest"];
        if whole.is_null() {
            return Ok(json!({"totalTokens": tokens(self.read(path, body)?.input_characters)}));
        }
        let mut asked = whole.clone();
        let model = asked.as_object_mut().and_then(|fields| fields.shift_remove("model"));
        let of_path = path.trim_start_matches('/').trim_end_matches(":countTokens");
        if model.as_ref().and_then(Value::as_str) != Some(of_path) {
            let message = "The model in the request body must match the model in the URL.";
            return Err(Refusal::invalid("model", message));
        }
        Ok(json!({"totalTokens": tokens(self.read(path, &asked)?.input_characters)}))
    }

    fn whole(&self, answer: &Answer) -> Value {
        let thought = answer.reasoning.as_ref().map(|text| json!({"text": text, "thought": true}));
        let parts = thought.into_iter().chain([part(answer)]).collect();
        response(answer, parts, Some(finish_reason(answer)))
    }

    fn events(&self, answer: &Answer, pieces: &[String], _include_usage: bool) -> Events {
        let thoughts = answer.reasoning.as_deref().unwrap_or_default().split_inclusive(' ');
        let event = |data: Value| Event { name: None, data: data.to_string() };
        let one = |part: Value| event(response(answer, vec![part], None));
        // A call comes whole.
        let (content, last) = match &answer.content {
            Content::Text(_) => (pieces.iter().map(|text| one(json!({"text": text}))).collect(), json!({"text": ""})),
            Content::ToolCall { .. } => (vec![one(part(answer))], json!({"text": ""})),
        };
        Events {
            opening: thoughts.map(|text| one(json!({"text": text, "thought": true}))).collect(),
            content,
            closing: vec![event(response(answer, vec![last], Some(finish_reason(answer))))],
        }
    }

    fn error(&self, refusal: &Refusal) -> Value {
        let status = match refusal.status {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            500.. => "INTERNAL",
            _ => "INVALID_ARGUMENT",
        };
        json!({"error": {"code": refusal.status, "message": refusal.message, "status": status}})
    }

    fn overloaded(&self) -> Refusal {
        Refusal { status: 503, message: "The model is overloaded. Please try again later.".into(), param: None }
    }

    fn error_event(&self, _sent: usize) -> Event {
        Event { name: None, data: self.error(&self.overloaded()).to_string() }
    }

    fn model(&self, id: &str) -> Value {
        json!({"name": format!("models/{id}"), "displayName": id, "supportedGenerationMethods": ["generateContent"]})
    }

    fn models(&self, ids: &[&str]) -> Value {
        json!({"models": ids.iter().map(|id| self.model(id)).collect::<Vec<_>>()})
    }
}

/// Whether this is a path at which vectors are asked for.
pub(crate) fn embeds_at(path: &str) -> bool {
    path.ends_with(EMBEDDED) || path.ends_with(EMBEDDED_IN_BATCH)
}

/// Vectors of one content or of several.
pub(crate) fn embed(path: &str, body: &Value) -> Result<Value, Refusal> {
    let of_path = path.trim_start_matches('/').trim_end_matches(EMBEDDED).trim_end_matches(EMBEDDED_IN_BATCH);
    let one = |request: &Value| {
        if request["model"].as_str().is_some_and(|model| model != of_path) {
            return Err(Refusal::invalid("model", "The model in the request body must match the model in the URL."));
        }
        let texts = request["content"]["parts"].as_array().into_iter().flatten();
        let text = texts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n");
        match text.is_empty() {
            true => Err(Refusal::invalid("content", "* EmbedContentRequest.content: contents is not specified")),
            false => Ok(json!({"values": vector(&text.into(), EMBEDDED_DIMENSIONS)})),
        }
    };
    match body["requests"].as_array() {
        Some(requests) => Ok(json!({"embeddings": requests.iter().map(one).collect::<Result<Vec<_>, _>>()?})),
        None => Ok(json!({"embedding": one(body)?})),
    }
}

/// The fields of a request; the real API refuses all others.
const FIELDS: [&str; 8] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
];

/// The last user text or result of a function; refuses what the real API refuses: roles, results that are not as many as the calls, and for
/// models from the third generation on calls without a signature.
fn last_turn(contents: &[Value], model: &str) -> Result<LastTurn, Refusal> {
    let wants_signatures = !["gemini-1", "gemini-2"].iter().any(|older| model.starts_with(older));
    let mut turn = LastTurn::User(String::new());
    let mut open_calls = 0;
    for content in contents {
        let parts = || content["parts"].as_array().into_iter().flatten();
        if parts().next().is_none() {
            return Err(Refusal::invalid(
                "contents",
                "* GenerateContentRequest.contents: contents.parts must not be empty.",
            ));
        }
        match content["role"].as_str() {
            Some("model") => {
                let calls: Vec<&Value> = parts().filter(|part| !part["functionCall"].is_null()).collect();
                if wants_signatures && calls.first().is_some_and(|call| call["thoughtSignature"].is_null()) {
                    return Err(Refusal::invalid(
                        "contents",
                        "Function call is missing a thought_signature in functionCall parts.",
                    ));
                }
                open_calls = calls.len();
            }
            Some("user") | None => {
                let results: Vec<&Value> = parts().filter_map(|part| part.get("functionResponse")).collect();
                if results.len() != open_calls {
                    let message = "Please ensure that the number of function response parts is equal to the number of \
                                   function call parts of the function call turn.";
                    return Err(Refusal::invalid("contents", message));
                }
                open_calls = 0;
                turn = match results.last() {
                    Some(result) if !result["response"].is_object() => {
                        return Err(Refusal::invalid("contents", "function_response.response: a Struct is expected"));
                    }
                    Some(result) => LastTurn::ToolResult(
                        result["response"]["output"]
                            .as_str()
                            .map_or_else(|| result["response"].to_string(), str::to_owned),
                    ),
                    None => LastTurn::User(text_of(&content["parts"])),
                };
            }
            Some(_) => return Err(Refusal::invalid("contents", "Please use a valid role: user, model.")),
        }
    }
    Ok(turn)
}

fn schema(settings: &Value) -> Result<Option<Value>, Refusal> {
    let schema = &settings["responseJsonSchema"];
    match schema {
        Value::Null => Ok(None),
        Value::Object(_) if settings["responseMimeType"] == "application/json" => Ok(Some(schema.clone())),
        _ => Err(Refusal::invalid("generation_config", "response_schema needs response_mime_type: application/json")),
    }
}

fn forced_tool(body: &Value) -> Result<Option<Tool>, Refusal> {
    let calling = &body["toolConfig"]["functionCallingConfig"];
    if calling["mode"] != "ANY" {
        return Ok(None);
    }
    let wanted = calling["allowedFunctionNames"][0].as_str();
    let lists = body["tools"].as_array().into_iter().flatten();
    let mut functions = lists.filter_map(|tool| tool["functionDeclarations"].as_array()).flatten();
    let function = functions.find(|function| wanted.is_none_or(|name| function["name"] == name));
    let function =
        function.ok_or_else(|| Refusal::invalid("tool_config", "allowed_function_names: no such function"))?;
    let name = function["name"].as_str().unwrap_or_default().to_owned();
    // Either of Protocol Buffers' names for it.
    let schema = ["parametersJsonSchema", "parameters_json_schema"].iter().find_map(|name| function.get(*name));
    Ok(Some(Tool { name, schema: schema.cloned().unwrap_or_default() }))
}

fn part(answer: &Answer) -> Value {
    match &answer.content {
        Content::Text(text) => json!({"text": text}),
        Content::ToolCall { name, arguments, .. } => json!({
            "functionCall": {"name": name, "args": arguments}, "thoughtSignature": format!("{:0>16.16}", stable_letters(name)),
        }),
    }
}

fn response(answer: &Answer, parts: Vec<Value>, finish_reason: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(reason) = finish_reason {
        candidate["finishReason"] = reason.into();
    }
    json!({
        "candidates": [candidate], "usageMetadata": usage(answer.usage, finish_reason.is_some()), "modelVersion": answer.model,
        "responseId": answer.id,
    })
}

/// The figures so far: of the output nothing is said before the end. Thoughts are counted beside it.
fn usage(usage: Usage, is_last: bool) -> Value {
    let mut said = json!({
        "promptTokenCount": usage.input_tokens, "totalTokenCount": usage.input_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input_tokens}],
    });
    if usage.cached_input_tokens > 0 {
        said["cachedContentTokenCount"] = usage.cached_input_tokens.into();
        said["cacheTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": usage.cached_input_tokens}]);
    }
    if is_last {
        said["candidatesTokenCount"] = usage.output_tokens.saturating_sub(usage.reasoning_tokens).into();
        said["totalTokenCount"] = (usage.input_tokens + usage.output_tokens).into();
        if usage.reasoning_tokens > 0 {
            said["thoughtsTokenCount"] = usage.reasoning_tokens.into();
        }
    }
    said
}

/// A call of a function has no reason of its own.
fn finish_reason(answer: &Answer) -> &'static str {
    if answer.cut { "MAX_TOKENS" } else { "STOP" }
}

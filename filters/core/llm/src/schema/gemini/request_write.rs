use serde_json::{Map, Value, json};
use weir_config::StructuredOutput;

use super::contents;
use super::generation::Generation;
use crate::chat::{Reasoning, Request, ResponseFormat, Tool, ToolChoice};
use crate::error::RequestError;
use crate::schema::{Setting, Writing};

/// The most texts that may end an answer (ai.google.dev, "GenerationConfig").
const MOST_STOPS: usize = 5;

/// Settings of other schemas that this one has under its own names.
const SETTINGS: &[(&str, &str)] = &[
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
];

/// Tokens of thinking that stand for a word, for models without levels (ai.google.dev, "OpenAI compatibility").
const BUDGETS: &[(&str, u64)] = &[("minimal", 1_024), ("low", 1_024), ("medium", 8_192), ("high", 24_576)];

/// Writes another schema's request; the model and whether a stream is wanted stand in the path. Rules:
///
/// - Turns have rules of their own, in their file.
/// - A user, whether tools may be called at once, and `strict` have no place: they are left out. So are blank texts of `stop`.
/// - More than five of these are refused.
/// - A tool's arguments and an answer's form are JSON Schemas as the client wrote them.
pub(super) fn write_request(request: &Request, writing: &mut Writing<'_>) -> Result<Map<String, Value>, RequestError> {
    let written = contents::write(request, writing)?;
    let mut root = Map::new();
    root.insert("contents".into(), written.contents.into());
    if let Some(instruction) = written.instruction {
        root.insert("systemInstruction".into(), instruction);
    }
    write_tools(request, writing, &mut root)?;
    if request.user.is_some() {
        writing.leave_out(request.origin.path_of(Setting::User), "the provider takes none");
    }
    let mut settings = Map::new();
    if let Some(limit) = request.max_output_tokens {
        // 0 is no limit there.
        settings.insert("maxOutputTokens".into(), limit.max(1).into());
    }
    write_sampling(request, writing, &mut settings);
    write_stop(request, writing, &mut settings)?;
    write_format(request, writing, &mut settings)?;
    write_reasoning(request, writing, &mut settings);
    if !settings.is_empty() {
        root.insert("generationConfig".into(), settings.into());
    }
    Ok(root)
}

fn write_sampling(request: &Request, writing: &mut Writing<'_>, settings: &mut Map<String, Value>) {
    for (path, name, value) in [("temperature", "temperature", request.temperature), ("top_p", "topP", request.top_p)] {
        match value {
            Some(value) if writing.capabilities.temperature => _ = settings.insert(name.into(), value.into()),
            Some(_) => writing.leave_out(path, "the server takes none"),
            None => {}
        }
    }
    for (path, name) in SETTINGS {
        if let Some(other) = request.others.iter().find(|other| other.path == *path) {
            settings.insert((*name).into(), other.value.clone());
            writing.say(*path);
        }
    }
}

fn write_stop(
    request: &Request,
    writing: &mut Writing<'_>,
    settings: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    let path = request.origin.path_of(Setting::Stop);
    let said: Vec<&str> = request.stop.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    if said.len() < request.stop.len() {
        writing.leave_out(path, "it is empty");
    }
    if said.len() > MOST_STOPS {
        let message = format!("The API of this model's provider takes {MOST_STOPS} texts that end an answer.");
        return Err(RequestError::unsupported(message).at(path));
    }
    if !said.is_empty() {
        settings.insert("stopSequences".into(), said.into());
    }
    Ok(())
}

fn write_tools(
    request: &Request,
    writing: &mut Writing<'_>,
    root: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    if request.parallel_tool_calls.is_some() {
        writing.leave_out("parallel_tool_calls", "the provider has no such setting");
    }
    if request.tools.is_empty() {
        if request.tool_choice.is_some() {
            writing.leave_out("tool_choice", "there are no tools");
        }
        return Ok(());
    }
    if !writing.capabilities.tools {
        return Err(RequestError::unsupported("this model calls no tools").at("tools"));
    }
    for (index, _) in request.tools.iter().enumerate().filter(|(_, tool)| tool.strict) {
        let field = request.origin.path_of(Setting::ToolStrict);
        writing.leave_out(format!("tools[{index}].{field}"), "the provider has no such setting");
    }
    let functions: Vec<Value> = request.tools.iter().map(write_tool).collect();
    root.insert("tools".into(), json!([{"functionDeclarations": functions}]));
    let calling = match &request.tool_choice {
        None => return Ok(()),
        Some(ToolChoice::Auto) => json!({"mode": "AUTO"}),
        Some(ToolChoice::None) => json!({"mode": "NONE"}),
        Some(ToolChoice::Required) => json!({"mode": "ANY"}),
        Some(ToolChoice::Named(name)) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    };
    root.insert("toolConfig".into(), json!({"functionCallingConfig": calling}));
    Ok(())
}

fn write_tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".into(), description.as_str().into());
    }
    // A function without arguments has no schema: one of an object without properties is refused.
    if let Some(schema) = tool.parameters.as_ref().filter(|schema| has_properties(schema)) {
        function.insert("parametersJsonSchema".into(), schema.clone());
    }
    function.into()
}

fn has_properties(schema: &Value) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    let others = schema.as_object().is_some_and(|fields| {
        fields.keys().any(|name| {
            !matches!(name.as_str(), "type" | "properties" | "required" | "additionalProperties" | "$schema")
        })
    });
    others || properties.is_some_and(|properties| !properties.is_empty())
}

fn write_format(
    request: &Request,
    writing: &Writing<'_>,
    settings: &mut Map<String, Value>,
) -> Result<(), RequestError> {
    let Some(format) = &request.response_format else { return Ok(()) };
    let schema = match (format, writing.capabilities.structured_output) {
        (ResponseFormat::JsonObject, StructuredOutput::JsonSchema | StructuredOutput::JsonObject) => None,
        (ResponseFormat::JsonSchema { schema, .. }, StructuredOutput::JsonSchema) => Some(schema),
        (ResponseFormat::JsonSchema { .. }, StructuredOutput::JsonObject) | (_, StructuredOutput::None) => {
            let error = RequestError::unsupported("the form of this model's answer cannot be asked for");
            return Err(error.at(request.origin.path_of(Setting::ResponseFormat)));
        }
    };
    settings.insert("responseMimeType".into(), "application/json".into());
    if let Some(schema) = schema {
        settings.insert("responseJsonSchema".into(), schema.clone());
    }
    Ok(())
}

fn write_reasoning(request: &Request, writing: &mut Writing<'_>, settings: &mut Map<String, Value>) {
    let Some(reasoning) = &request.reasoning else { return };
    let path = request.origin.path_of(Setting::Reasoning);
    if !writing.capabilities.reasoning_effort {
        return writing.leave_out(path, "the server takes no such setting");
    }
    match thinking(reasoning, Generation::of(&request.model)) {
        Ok(Some(config)) => _ = settings.insert("thinkingConfig".into(), config),
        Ok(None) => {}
        Err(reason) => writing.leave_out(path, reason),
    }
}

/// `thinkingConfig`. A level and a budget are never said together.
///
/// | the client wants | models with levels | models before |
/// |---|---|---|
/// | none | the least level, since they always think | a budget of 0 |
/// | a bound in tokens | a budget | a budget |
/// | an effort | its level | the budget that stands for it |
/// | to leave it to the model | nothing | a budget of -1 |
fn thinking(reasoning: &Reasoning, generation: Generation) -> Result<Option<Value>, &'static str> {
    let has_levels = generation.signs_calls();
    let effort = reasoning.effort.as_deref();
    if reasoning.off || effort == Some("none") {
        let least = if has_levels { json!({"thinkingLevel": "low"}) } else { json!({"thinkingBudget": 0}) };
        return Ok(Some(least));
    }
    if let Some(tokens) = reasoning.budget_tokens {
        return Ok(Some(json!({"thinkingBudget": tokens})));
    }
    let word = match effort {
        None => return Ok((!has_levels).then(|| json!({"thinkingBudget": -1}))),
        Some("xhigh" | "max") => "high",
        Some(word) => word,
    };
    let (_, budget) = BUDGETS.iter().find(|(known, _)| *known == word).ok_or("the effort is not known")?;
    Ok(Some(if has_levels { json!({"thinkingLevel": word}) } else { json!({"thinkingBudget": budget}) }))
}

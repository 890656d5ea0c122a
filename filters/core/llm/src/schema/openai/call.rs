//! Tool calls in a history and in an answer, and the results that name them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bound::made_id;
use super::part::{Of, text};
use crate::chat::{Other, Part, Placed, ToolCall};
use crate::error::RequestError;
use crate::node::Node;

/// The calls of a message, new and old spelling. A kind that only this schema has is carried whole. `ids` names those without an id of
/// their own.
pub(super) fn read_calls(
    message: &Node<'_>,
    of: Of,
    ids: &mut dyn FnMut(&ToolCall) -> String,
    others: &mut Vec<Other>,
) -> Result<Vec<Part>, RequestError> {
    let mut parts = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |mut call: ToolCall| {
        // Results in a history name ids that stand twice; in an answer nobody does yet.
        if call.id.is_empty() || (of == Of::Answer && !seen.insert(call.id.clone())) {
            call.id = ids(&call);
        }
        parts.push(Part::ToolCall(call));
    };
    let mut unknown = Vec::new();
    if let Some(calls) = message.get("tool_calls") {
        let calls = if of == Of::Answer { calls.items_but_null()? } else { calls.items()? };
        for call in calls {
            match kind_of_others(&call)? {
                Some(_) => {
                    unknown.push(Part::Unknown(Placed { at: call.path().to_owned(), value: call.value().clone() }))
                }
                None => {
                    call.others(&["id", "type", "function"], others);
                    let id = call.get("id").map(|id| text(&id, of)).transpose()?.unwrap_or_default();
                    add(read_function(&call.required("function")?, id, of, others)?);
                }
            }
        }
    }
    if let Some(function) = message.get("function_call") {
        add(read_function(&function, String::new(), of, others)?);
    }
    parts.append(&mut unknown);
    Ok(parts)
}

/// The kind of a tool, call or choice, if it is no function. Some compatible servers leave it out.
pub(super) fn kind_of_others<'a>(node: &Node<'a>) -> Result<Option<&'a str>, RequestError> {
    match node.get("type") {
        Some(kind) => Ok(Some(kind.str()?).filter(|kind| *kind != "function" && !kind.is_empty())),
        None => Ok(None),
    }
}

fn read_function(function: &Node<'_>, id: String, of: Of, others: &mut Vec<Other>) -> Result<ToolCall, RequestError> {
    function.others(&["name", "arguments"], others);
    let name = function.required_str("name")?.to_owned();
    // A history has happened; a call that names no tool is none that a client could answer.
    if name.is_empty() && of == Of::Answer {
        return Err(function.error("a name is required"));
    }
    let arguments = function.get("arguments").map(|arguments| arguments_of(arguments.value())).unwrap_or_default();
    Ok(ToolCall { id, name, arguments })
}

/// Arguments are JSON in a text; some servers send the JSON itself. No arguments are an empty object.
pub(super) fn arguments_of(value: &Value) -> String {
    match value {
        Value::Null => "{}".to_owned(),
        Value::String(text) if text.trim() == "null" => "{}".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The calls of the last turn, for the results that do not say which they answer: those answer in order.
#[derive(Debug, Default)]
pub(super) struct OpenCalls {
    ids: Vec<String>,
    at: BTreeMap<String, Vec<usize>>,
    answered: Vec<bool>,
    next: usize,
    /// Ids that were made, so that no two are alike.
    made: usize,
}

impl OpenCalls {
    /// An id for a call of a history that has none.
    pub(super) fn make(&mut self) -> String {
        self.made = self.made.saturating_add(1);
        made_id(&["history", &self.made.to_string()])
    }

    /// A turn of the model's begins, with these calls.
    pub(super) fn begin(&mut self, parts: &[Part]) {
        self.ids = parts
            .iter()
            .filter_map(|part| {
                let Part::ToolCall(call) = part else { return None };
                Some(call.id.clone())
            })
            .collect();
        self.at.clear();
        for (index, id) in self.ids.iter().enumerate() {
            self.at.entry(id.clone()).or_default().push(index);
        }
        self.answered = vec![false; self.ids.len()];
        self.next = 0;
    }

    /// A result names its call.
    pub(super) fn answer(&mut self, id: &str) {
        if let Some(index) = self.at.get_mut(id).and_then(Vec::pop)
            && let Some(answered) = self.answered.get_mut(index)
        {
            *answered = true;
        }
    }

    /// The call that a result without an id answers.
    pub(super) fn answer_next(&mut self) -> String {
        while self.answered.get(self.next) == Some(&true) {
            self.next = self.next.saturating_add(1);
        }
        let id = self.ids.get(self.next).cloned();
        self.next = self.next.saturating_add(1);
        id.unwrap_or_else(|| self.make())
    }
}

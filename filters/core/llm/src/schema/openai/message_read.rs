use super::call::{OpenCalls, read_calls};
use super::part::{Of, SAYING, read_said};
use crate::chat::{Message, Other, Part, Role, ToolResult};
use crate::error::RequestError;
use crate::node::Node;

/// Reads the conversation. Results of tools are the user's, as they are in the other schemas.
pub(super) fn read_messages(messages: &Node<'_>, others: &mut Vec<Other>) -> Result<Vec<Message>, RequestError> {
    let mut open = OpenCalls::default();
    messages.items()?.iter().map(|message| read_message(message, &mut open, others)).collect()
}

fn read_message(message: &Node<'_>, open: &mut OpenCalls, others: &mut Vec<Other>) -> Result<Message, RequestError> {
    let role = message.required("role")?;
    let mut known = [SAYING, &["role"]].concat();
    let (role, parts) = match role.str()? {
        "system" | "developer" => (Role::System, read_said(message, Of::Request, others)?),
        "user" => (Role::User, read_said(message, Of::Request, others)?),
        "assistant" => {
            known.extend(["tool_calls", "function_call"]);
            let mut parts = read_said(message, Of::Request, others)?;
            parts.extend(read_calls(message, Of::Request, &mut |_| open.make(), others)?);
            open.begin(&parts);
            (Role::Assistant, parts)
        }
        "tool" | "function" => {
            known.push("tool_call_id");
            let parts = read_said(message, Of::Request, others)?;
            let call_id = match message.optional_str("tool_call_id")?.filter(|id| !id.is_empty()) {
                Some(id) => {
                    open.answer(&id);
                    id
                }
                None => open.answer_next(),
            };
            (Role::User, vec![Part::ToolResult(ToolResult { call_id, parts, is_error: false })])
        }
        _ => return Err(role.error("must be system, developer, user, assistant or tool")),
    };
    message.others(&known, others);
    Ok(Message { at: message.path().to_owned(), role, parts })
}

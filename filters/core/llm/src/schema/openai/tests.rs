mod adapts;
mod answers;
mod linear;
mod reads;
mod streams;
mod tool_names;
mod writes;

use serde_json::{Value, json};

use crate::chat::{Part, Placed};
use crate::schema::Schema;

fn openai() -> Schema {
    Schema::named("openai").unwrap()
}

/// The schema on the other side.
fn anthropic() -> Schema {
    Schema::named("anthropic").unwrap()
}

/// A body of these messages.
fn of_messages(messages: Value) -> Value {
    json!({"model": "m", "messages": messages})
}

/// A body of one message and these fields.
fn with(fields: Value) -> Value {
    let mut body = of_messages(json!([{"role": "user", "content": "hi"}]));
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn placed<T>(at: &str, value: T) -> Placed<T> {
    Placed { at: at.to_owned(), value }
}

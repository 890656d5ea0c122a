mod adapt;
mod answer;
mod json_schema;
mod linear;
mod request_read;
mod request_write;
mod stream_read;
mod stream_write;
mod turns;

use serde_json::{Value, json};

use crate::schema::Schema;
use crate::stream::StreamOptions;

fn anthropic() -> Schema {
    Schema(&super::Anthropic)
}

fn openai() -> Schema {
    Schema::named("openai").unwrap()
}

/// A request of one user message and these fields.
fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn stream_options() -> StreamOptions {
    StreamOptions {
        client_model: "m".into(),
        client_wants_usage: false,
        id: "id".into(),
        created_unix_s: 0,
        ..StreamOptions::default()
    }
}

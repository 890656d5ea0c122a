mod answers;
mod requests;
mod streams;
mod texts;

use crate::schema::Schema;

fn responses() -> Schema {
    Schema(&super::Responses)
}

fn chat() -> Schema {
    Schema::named("openai").unwrap()
}

fn anthropic() -> Schema {
    Schema::named("anthropic").unwrap()
}

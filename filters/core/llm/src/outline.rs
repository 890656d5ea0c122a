//! A whole answer, as far as it is known without reading what the model said.

use std::ops::Range;

use crate::error;
use crate::json::{Fields, span_in, spliced, write_string};
use crate::operation::Operation;
use crate::usage::Facts;

/// The top level of a whole answer. Reading it shows that the answer is one JSON document.
#[derive(Debug)]
pub struct AnswerOutline<'a> {
    /// What it says it used, if it says so once: figures that stand twice are none.
    pub usage: Option<&'a str>,
    /// Whether it has what an answer of its operation must have, and does not say that it is an error.
    pub is_answer: bool,
    /// What it says besides.
    pub facts: Facts,
    /// Where the model's name stands, quotes included.
    model: Option<Range<usize>>,
}

impl<'a> AnswerOutline<'a> {
    /// Reads the outline of an answer in the provider's schema. `None`: it is no JSON object.
    pub fn read(operation: Operation, body: &'a [u8]) -> Option<Self> {
        let fields = Fields::read(body)?;
        let says_error = fields.iter().any(|(name, value)| name == "error" && is_error(value));
        let schema = operation.schema();
        let field = schema.answer_field(operation.kind());
        let is_list = |name| fields.get(name).is_some_and(|value| value.starts_with('['));
        let is_blocked =
            || schema.blocked_field().and_then(|name| fields.get(name)).is_some_and(|value| value.starts_with('{'));
        let usage_field = schema.usage_field();
        let mut usages = fields.iter().filter(|(name, _)| *name == usage_field).map(|(_, value)| value);
        Some(Self {
            usage: usages.next().filter(|_| usages.next().is_none()),
            facts: Facts::of(&fields),
            is_answer: !says_error && field.is_none_or(|name| is_list(name) || is_blocked()),
            model: fields
                .get(schema.model_field())
                .filter(|model| model.starts_with('"'))
                .and_then(|model| span_in(body, model)),
        })
    }

    /// The answer under another model's name, everything else byte for byte; `None`: it has this name already, or no place for one.
    pub fn with_model(&self, body: &[u8], model: &str) -> Option<Vec<u8>> {
        let span = self.model.clone()?;
        let mut name = Vec::with_capacity(model.len().saturating_add(2));
        write_string(model, &mut name);
        (body.get(span.clone())? != name.as_slice()).then(|| spliced(body, &mut [(span, name)]))
    }
}

/// An `error` that says something.
fn is_error(error: &str) -> bool {
    error.starts_with(['{', '"', '[']) && crate::json::parse(error).is_ok_and(|error| error::is_something(&error))
}

#[cfg(test)]
mod tests {
    use super::AnswerOutline;
    use crate::{Kind, Operation, Schema};

    fn operation(kind: Kind, schema: &str) -> Operation {
        Operation::of_kind(kind, Schema::named(schema).unwrap()).unwrap()
    }

    #[test]
    fn an_answer_has_what_its_operation_promises() {
        let check = |operation: Operation, body: &str, expect: Option<bool>| {
            let outline = AnswerOutline::read(operation, body.as_bytes());
            assert_eq!(outline.map(|outline| outline.is_answer), expect, "{body}");
        };
        let chat = operation(Kind::Chat, "openai");
        check(chat, r#"{"choices":[]}"#, Some(true));
        check(chat, r#"{"choices":[],"error":null}"#, Some(true));
        check(chat, r#"{"choices":[],"error":{}}"#, Some(true));
        check(chat, r#"{"choices":[],"error":""}"#, Some(true));
        check(chat, r#"{"choices":[],"error":"x"}"#, Some(false));
        check(chat, r#"{"choices":[],"error":{"message":"x"}}"#, Some(false));
        for body in [r#"{"choices":null}"#, r#"{"choices":{}}"#, r#"{"code":401,"msg":"x"}"#, r#"{"detail":"x"}"#, "{}"]
        {
            check(chat, body, Some(false));
        }
        check(operation(Kind::Embeddings, "openai"), r#"{"data":[]}"#, Some(true));
        check(operation(Kind::Embeddings, "openai"), r#"{"object":"list","model":"m"}"#, Some(false));
        check(operation(Kind::Chat, "anthropic"), r#"{"content":[]}"#, Some(true));
        check(operation(Kind::Chat, "anthropic"), r#"{"choices":[]}"#, Some(false));
        for body in ["", "[]", "\"x\"", "{\"choices\":[", "{} {}"] {
            check(chat, body, None);
        }
    }

    #[test]
    fn only_the_models_name_changes() {
        let check = |body: &str, expect: Option<&str>| {
            let outline = AnswerOutline::read(operation(Kind::Chat, "openai"), body.as_bytes()).unwrap();
            let changed = outline.with_model(body.as_bytes(), "a\"b");
            assert_eq!(changed.map(|body| String::from_utf8(body).unwrap()).as_deref(), expect);
        };
        check(r#"{ "x":1.50,"model":"m" ,"y":"\u0041"}"#, Some(r#"{ "x":1.50,"model":"a\"b" ,"y":"\u0041"}"#));
        check(r#"{"model":"a\"b"}"#, None);
        check(r#"{"model":null}"#, None);
        check(r#"{"choices":[{"model":"m"}]}"#, None);
    }

    #[test]
    fn figures_that_stand_twice_are_none() {
        let check = |body: &str, expect: Option<&str>| {
            let outline = AnswerOutline::read(operation(Kind::Chat, "openai"), body.as_bytes()).unwrap();
            assert_eq!(outline.usage, expect);
        };
        check(r#"{"usage":{"a":1}}"#, Some(r#"{"a":1}"#));
        check(r#"{"usage":{"a":1},"usage":{"a":2}}"#, None);
        check("{}", None);
    }
}

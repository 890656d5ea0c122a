use super::RequestHead;
use crate::json::{Fields, span_in, spliced};
use crate::operation::Operation;

/// What is decided about the most output tokens of an answer, for requests that name none or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBounds {
    /// What a request gets that names none; `None`: [`OutputBounds::most`], if there is one.
    pub default: Option<u64>,
    /// What a request may name at most; `None`: anything.
    pub most: Option<u64>,
}

impl RequestHead {
    /// The body with a maximum of output tokens within these bounds, in the client's own field, everything else byte for byte; `None`: it
    /// is within them as it stands. `body` must be the one that the head was read from.
    pub fn bounded(&self, operation: Operation, body: &[u8], bounds: OutputBounds) -> Option<Vec<u8>> {
        let most = bounds.most.unwrap_or(u64::MAX);
        let wanted = match self.max_output_tokens {
            Some(named) if named <= most => return None,
            Some(_) => most,
            None => bounds.default.or(bounds.most)?.min(most),
        };
        let options = operation.schema().head(operation.kind())?.answer.as_ref()?;
        let all = Fields::read(body)?;
        let number = || wanted.to_string().into_bytes();
        let mut edits = Vec::new();
        let name = options.limits.first()?;
        let (fields, first) = match options.within {
            None => (all, body.iter().position(|byte| *byte == b'{')?.checked_add(1)?),
            Some(places) => match places.iter().find_map(|place| all.get_or_null(place)) {
                Some(settings) if settings != "null" => {
                    let first = span_in(body, settings)?.start.checked_add(1)?;
                    (Fields::of(settings)?, first)
                }
                Some(null) => {
                    let settings = format!("{{\"{name}\":{wanted}}}").into_bytes();
                    return Some(spliced(body, &mut [(span_in(body, null)?, settings)]));
                }
                None => {
                    let first = body.iter().position(|byte| *byte == b'{')?.checked_add(1)?;
                    let place = places.first()?;
                    let settings = format!("\"{place}\":{{\"{name}\":{wanted}}},").into_bytes();
                    return Some(spliced(body, &mut [(first..first, settings)]));
                }
            },
        };
        for value in options.limits.iter().filter_map(|name| fields.get(name)) {
            // A bound of 0 that counts as none would stand beside the one that is set, and servers read either.
            let is_replaced =
                self.max_output_tokens.is_none() || crate::json::parse::<u64>(value).is_ok_and(|named| named > most);
            if is_replaced {
                edits.push((span_in(body, value)?, number()));
            }
        }
        if self.max_output_tokens.is_none() && edits.is_empty() {
            match fields.get_or_null(name) {
                Some(null) => edits.push((span_in(body, null)?, number())),
                None => {
                    let comma = if fields.is_empty() { "" } else { "," };
                    edits.push((first..first, format!("\"{name}\":{wanted}{comma}").into_bytes()));
                }
            }
        }
        Some(spliced(body, &mut edits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::read_head;

    fn check(path: &str, body: &str, bounds: (Option<u64>, Option<u64>), expect: Option<&str>) {
        let operation = Operation::of("POST", path, &|name| name == "anthropic-version").ok().unwrap();
        let head = read_head(operation, path, body.as_bytes()).unwrap();
        let bounds = OutputBounds { default: bounds.0, most: bounds.1 };
        let found = head.bounded(operation, body.as_bytes(), bounds);
        assert_eq!(found.as_ref().map(|body| std::str::from_utf8(body).unwrap()), expect, "{body} {bounds:?}");
        if let Some(found) = found {
            let head = read_head(operation, path, &found).unwrap();
            assert_eq!(head.bounded(operation, &found, bounds), None, "once is enough: {body}");
            assert!(head.max_output_tokens.is_some());
        }
    }

    #[test]
    fn a_maximum_is_set_where_none_is_named_and_lowered_where_it_is_too_large() {
        let chat = "/v1/chat/completions";
        let body =
            |fields: &str| format!(r#"{{{fields}"model":"m","messages":[{{"role":"user","content":"max_tokens"}}]}}"#);
        let none = body("");
        check(chat, &none, (None, None), None);
        check(chat, &none, (Some(9), None), Some(&body(r#""max_completion_tokens":9,"#)));
        check(chat, &none, (None, Some(7)), Some(&body(r#""max_completion_tokens":7,"#)));
        check(chat, &none, (Some(9), Some(7)), Some(&body(r#""max_completion_tokens":7,"#)));
        // What says nothing is replaced, so that no name stands twice.
        let null = body(r#""max_completion_tokens": null ,"#);
        check(chat, &null, (Some(9), None), Some(&body(r#""max_completion_tokens": 9 ,"#)));
        let named = body(r#""max_tokens": 5,"#);
        check(chat, &named, (Some(9), Some(5)), None);
        check(chat, &named, (Some(9), None), None);
        check(chat, &named, (Some(9), Some(4)), Some(&body(r#""max_tokens": 4,"#)));
        let both = body(r#""max_tokens":3,"max_completion_tokens":50,"#);
        check(chat, &both, (None, Some(4)), Some(&body(r#""max_tokens":3,"max_completion_tokens":4,"#)));
        // Servers that read the other field would take a 0 for none.
        let nothing = body(r#""max_tokens":0,"#);
        check(chat, &nothing, (Some(9), None), Some(&body(r#""max_tokens":9,"#)));
        let both = body(r#""max_tokens":0,"max_completion_tokens":0,"#);
        check(chat, &both, (None, Some(7)), Some(&body(r#""max_tokens":7,"max_completion_tokens":7,"#)));
        let messages = r#"{"model":"m","max_tokens":8,"messages":[{"role":"user","content":"x"}]}"#;
        check("/v1/messages", messages, (None, Some(6)), Some(&messages.replace('8', "6")));
        let responses = r#"{"model":"m","input":"x"}"#;
        let expect = r#"{"max_output_tokens":6,"model":"m","input":"x"}"#;
        check("/v1/responses", responses, (Some(6), None), Some(expect));
        // Where settings have a place of their own.
        let gemini = "/v1beta/models/m:generateContent";
        let contents = r#""contents":[{"parts":[{"text":"x"}]}]}"#;
        let with = |settings: &str| format!("{{{settings}{contents}");
        let expect = with(r#""generationConfig":{"maxOutputTokens":6},"#);
        for none in [with(""), with(r#""generationConfig":null,"#), with(r#""generationConfig":{},"#)] {
            check(gemini, &none, (Some(6), None), Some(&expect));
        }
        let warm = with(r#""generationConfig":{"temperature":1},"#);
        let expect = with(r#""generationConfig":{"maxOutputTokens":6,"temperature":1},"#);
        check(gemini, &warm, (Some(6), None), Some(&expect));
        let other = with(r#""generation_config":{"max_output_tokens":8},"#);
        check(gemini, &other, (None, Some(6)), Some(&other.replace('8', "6")));
        // An embedding has no output.
        check("/v1/embeddings", responses, (Some(6), Some(6)), None);
    }
}

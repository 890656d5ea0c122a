use std::ops::Range;

use weir_llm::between;

use super::deltas::Key;

/// The last event that brought one piece of text and nothing else of note, as in `weir_llm`'s streams: an event that differs in its
/// text alone needs not be read.
#[derive(Debug)]
pub(super) struct Template {
    before: String,
    after: String,
    /// The text's channel.
    pub(super) key: Key,
    /// Whether the event is one that brings pieces.
    pub(super) of_deltas: bool,
}

impl Template {
    /// Of an event whose one text is the string at `span`.
    pub(super) fn of(data: &str, span: &Range<usize>, key: Key, of_deltas: bool) -> Option<Self> {
        data.get(span.clone())?.strip_prefix('"')?;
        let (before, after) = (data.get(..span.start)?.to_owned(), data.get(span.end..)?.to_owned());
        Some(Self { before, after, key, of_deltas })
    }

    /// The text of an event that differs in nothing else, and where it stands.
    pub(super) fn text(&self, data: &str) -> Option<(String, Range<usize>)> {
        let token = between(data, &self.before, &self.after)?;
        if !(token.starts_with('"') && token.ends_with('"')) {
            return None;
        }
        let value = serde_json::from_str(token).ok()?;
        let start = self.before.len();
        Some((value, start..start.saturating_add(token.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[track_caller]
    fn check(data: &str, expect: Option<(&str, &str)>) {
        let first = r#"{"a":1,"text":"x","b":2}"#;
        let template = Template::of(first, &(14..17), (0, 0), true).unwrap();
        let text = template.text(data);
        let found = text.as_ref().map(|(value, span)| (value.as_str(), &data[span.clone()]));
        assert_eq!(found, expect, "{data}");
    }

    #[test]
    fn only_an_event_that_differs_in_its_text_alone_is_like_the_last() {
        check(r#"{"a":1,"text":"x","b":2}"#, Some(("x", r#""x""#)));
        check(r#"{"a":1,"text":"","b":2}"#, Some(("", r#""""#)));
        check(r#"{"a":1,"text":"a \"q\" \u00e9","b":2}"#, Some(("a \"q\" é", r#""a \"q\" \u00e9""#)));
        for other in [
            r#"{"a":2,"text":"x","b":2}"#,
            r#"{"a":1,"text":"x","b":3}"#,
            r#"{"a":1,"text":"x","c":"y","b":2}"#,
            r#"{"a":1,"text": "x","b":2}"#,
            r#"{"a":1,"text":7,"b":2}"#,
            r#"{"a":1,"text":null,"b":2}"#,
            r#"{"a":1,"text":"x\","b":2}"#,
            r#"{"a":1,"text":"\ud800","b":2}"#,
            "{\"a\":1,\"text\":\"\n\",\"b\":2}",
            r#"{"a":1,"text":","b":2}"#,
            "",
        ] {
            check(other, None);
        }
    }
}

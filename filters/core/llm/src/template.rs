use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

use crate::compare::between;

/// An event's data around the one text in it. Nearly every event of a stream is the same as the last one but for its text; then
/// nothing else in it needs to be read again. JSON that differs in what one string says has the same structure.
#[derive(Debug)]
pub struct Template {
    /// Up to the text's opening quote, and from its closing one on.
    before: String,
    after: String,
}

impl Template {
    /// Of data in which a string stands at `span`, its quotes included.
    pub fn of(data: &str, span: &Range<usize>) -> Option<Self> {
        let inner = span.start.checked_add(1)?..span.end.checked_sub(1)?;
        let (before, after) = (data.get(..inner.start)?, data.get(inner.end..)?);
        (before.ends_with('"') && after.starts_with('"'))
            .then(|| Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// The text of data that differs in nothing else. One with escapes is left to be read.
    pub fn text<'a>(&self, data: &'a str) -> Option<&'a str> {
        let text = between(data, &self.before, &self.after)?;
        let bytes = text.as_bytes();
        (memchr2(b'"', b'\\', bytes).is_none() && !bytes.iter().any(|byte| *byte < 0x20)).then_some(text)
    }

    /// The same, unescaped, and where it stands with its quotes.
    pub fn string<'a>(&self, data: &'a str) -> Option<(Cow<'a, str>, Range<usize>)> {
        let start = self.before.len().checked_sub(1)?;
        let span = start..data.len().checked_sub(self.after.len())?.checked_add(1)?;
        match self.text(data) {
            Some(text) => Some((Cow::Borrowed(text), span)),
            None => {
                between(data, &self.before, &self.after)?;
                Some((Cow::Owned(crate::json::parse(data.get(span.clone())?).ok()?), span))
            }
        }
    }

    /// The data up to the text, and from it on.
    pub(crate) fn around(&self) -> (&str, &str) {
        (&self.before, &self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[track_caller]
    fn check(data: &str, expect: Option<&str>) {
        let first = r#"{"a":1,"text":"x","b":2}"#;
        let template = Template::of(first, &(14..17)).unwrap();
        let text = template.text(data);
        assert_eq!(text, expect, "{data}");
        let (text, span) = template.string(data).unzip();
        if let Some(expect) = expect {
            assert_eq!((text.as_deref(), &data[span.unwrap()]), (Some(expect), &*format!("\"{expect}\"")));
        }
    }

    #[test]
    fn only_an_event_that_differs_in_its_text_alone_is_like_the_last() {
        check(r#"{"a":1,"text":"x","b":2}"#, Some("x"));
        check(r#"{"a":1,"text":"","b":2}"#, Some(""));
        check(r#"{"a":1,"text":"für é","b":2}"#, Some("für é"));
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
            let template = Template::of(r#"{"a":1,"text":"x","b":2}"#, &(14..17)).unwrap();
            assert_eq!(template.string(other), None, "{other}");
        }
    }

    #[test]
    fn a_text_with_escapes_is_unescaped() {
        let data = r#"{"a":1,"text":"a \"q\" \u00e9","b":2}"#;
        check(data, None);
        let template = Template::of(r#"{"a":1,"text":"x","b":2}"#, &(14..17)).unwrap();
        let (text, span) = template.string(data).unwrap();
        assert_eq!((&*text, &data[span]), ("a \"q\" é", r#""a \"q\" \u00e9""#));
    }
}

//! Documents that come as bytes and are text: every model reads those, and few servers take them as files.

use super::DocumentSource;

/// What a file is taken for whose data and name do not say it: the only kind that the first API with files knew.
const DEFAULT_MEDIA_TYPE: &str = "application/pdf";

/// Kinds of text that are not under `text/`.
const TEXTUAL: &[&str] = &[
    "application/csv",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/sql",
    "application/toml",
    "application/typescript",
    "application/x-httpd-php",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-yaml",
    "application/xhtml+xml",
    "application/xml",
    "application/yaml",
];

/// The ends of names of files that are text.
const EXTENSIONS: &[&str] =
    &["txt", "md", "csv", "tsv", "json", "jsonl", "xml", "html", "htm", "yaml", "yml", "log", "py", "rs", "js", "ts"];

impl DocumentSource {
    /// The same as text, if it is bytes that are text in UTF-8.
    pub(crate) fn as_text(&self) -> Option<Self> {
        let Self::Base64 { media_type, data } = self else { return None };
        let text = String::from_utf8(decoded(data).filter(|_| is_textual(media_type))?).ok()?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        (!text.contains('\0')).then_some(Self::Text(text))
    }
}

/// The media type of data that does not say its own.
pub(crate) fn media_type_of_file(name: Option<&str>) -> &'static str {
    let extension = name.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension.to_ascii_lowercase());
    match extension {
        Some(extension) if EXTENSIONS.contains(&extension.as_str()) => "text/plain",
        Some(_) | None => DEFAULT_MEDIA_TYPE,
    }
}

/// The media type, its parameters included, and the base64 of a data URL.
pub(crate) fn of_data_url(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    rest.split_once(";base64,").filter(|_| scheme.eq_ignore_ascii_case("data"))
}

fn is_textual(media_type: &str) -> bool {
    let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/") || TEXTUAL.contains(&kind.as_str())
}

/// The bytes of base64, in either alphabet and with white space or without; `None`: it is none.
fn decoded(base64: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(base64.len().div_ceil(4).saturating_mul(3));
    let (mut bits, mut held) = (0_u32, 0_u32);
    let digits = base64.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let mut padding = digits.clone().skip_while(|byte| *byte != b'=');
    if padding.clone().count() > 2 || padding.any(|byte| byte != b'=') {
        return None;
    }
    for digit in digits.take_while(|byte| *byte != b'=') {
        let six = match digit {
            b'A'..=b'Z' => digit.wrapping_sub(b'A'),
            b'a'..=b'z' => digit.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => digit.wrapping_sub(b'0').wrapping_add(52),
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held = held.wrapping_add(6);
        if held >= 8 {
            held = held.wrapping_sub(8);
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{DocumentSource, decoded, media_type_of_file, of_data_url};

    #[test]
    fn base64_is_read_in_every_spelling() {
        for (base64, expect) in [
            ("", Some("")),
            ("YQ==", Some("a")),
            ("YQ", Some("a")),
            ("YWI=", Some("ab")),
            ("YWJj", Some("abc")),
            ("YW\r\nJj", Some("abc")),
            ("w7_Dvg==", Some("ÿþ")),
            ("w7/Dvg==", Some("ÿþ")),
            ("%%%", None),
            ("YQ==YQ", None),
            ("YQ===", None),
        ] {
            assert_eq!(decoded(base64).as_deref(), expect.map(str::as_bytes), "{base64}");
        }
    }

    #[test]
    fn bytes_are_text_where_their_kind_and_they_themselves_are() {
        let check = |media_type: &str, data: &str, expect: Option<&str>| {
            let source = DocumentSource::Base64 { media_type: media_type.into(), data: data.into() };
            assert_eq!(source.as_text(), expect.map(|text| DocumentSource::Text(text.into())), "{media_type} {data}");
        };
        for media_type in ["text/csv", "TEXT/PLAIN; charset=utf-8", "application/json", "text/markdown"] {
            check(media_type, "YSxi", Some("a,b"));
        }
        check("text/plain", "77u/YQ==", Some("a"));
        for (media_type, data) in
            [("application/pdf", "YQ=="), ("image/png", "YQ=="), ("text/plain", "/w=="), ("text/plain", "AA==")]
        {
            check(media_type, data, None);
        }
        assert_eq!(DocumentSource::Url("https://x".into()).as_text(), None);
    }

    #[test]
    fn a_file_is_what_its_data_or_its_name_says() {
        assert_eq!(of_data_url("data:text/csv;base64,YQ=="), Some(("text/csv", "YQ==")));
        assert_eq!(of_data_url("DATA:text/csv;charset=x;base64,YQ=="), Some(("text/csv;charset=x", "YQ==")));
        assert_eq!(of_data_url("data:text/csv,a"), None);
        assert_eq!(of_data_url("YQ=="), None);
        assert_eq!(media_type_of_file(Some("a.b.CSV")), "text/plain");
        assert_eq!(media_type_of_file(Some("a.pdf")), "application/pdf");
        assert_eq!(media_type_of_file(None), "application/pdf");
    }
}

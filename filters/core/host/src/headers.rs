use std::fmt;

/// Headers in their order: lower-case names, and values of arbitrary bytes. All of them lie in one piece of memory, since a
/// request's headers are read and written several times and a filter's memory is slow to get.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    spans: Vec<HeaderSpan>,
}

/// Where one header stands in the bytes of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderSpan {
    /// First byte of its name.
    pub name: u32,
    /// Bytes of its name.
    pub name_length: u32,
    /// First byte of its value.
    pub value: u32,
    /// Bytes of its value.
    pub value_length: u32,
}

impl Headers {
    /// None yet, with room for so many.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), spans: Vec::with_capacity(headers) }
    }

    /// Headers that lie in `bytes` already. A span that reaches beyond them is empty.
    pub fn in_place(bytes: Vec<u8>, spans: Vec<HeaderSpan>) -> Self {
        Self { bytes, spans }
    }

    /// Adds one behind the others. More than 4 GiB of them are not kept.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        let start = self.bytes.len();
        let numbers = [start, name.len(), start.saturating_add(name.len()), value.len()].map(u32::try_from);
        if let [Ok(at), Ok(name_length), Ok(middle), Ok(value_length)] = numbers {
            self.bytes.extend_from_slice(name);
            self.bytes.extend_from_slice(value);
            self.spans.push(HeaderSpan { name: at, name_length, value: middle, value_length });
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.spans.iter().map(|span| (self.part(span.name, span.name_length), self.part(span.value, span.value_length)))
    }

    /// The first value under this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        // Lengths first: most names differ in theirs.
        let length = u32::try_from(name.len()).ok()?;
        let mut of_length = self.spans.iter().filter(|span| span.name_length == length);
        let span = of_length.find(|span| self.part(span.name, length) == name.as_bytes())?;
        Some(self.part(span.value, span.value_length))
    }

    /// [`Headers::get`] as text; empty if it is not there or is not UTF-8.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn part(&self, start: u32, length: u32) -> &[u8] {
        let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else { return &[] };
        self.bytes.get(start..start.saturating_add(length)).unwrap_or_default()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let headers = headers.into_iter();
        let mut collected = Self::with_capacity(headers.size_hint().0, 0);
        for (name, value) in headers {
            collected.push(name, value);
        }
        collected
    }
}

/// The same names and values in the same order.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

/// Names only: values may be secret.
impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    #[test]
    fn what_goes_in_comes_out_in_its_order() {
        let pairs = [("a", "1"), ("", ""), ("b", ""), ("a", "2"), ("c", "\u{e9}")];
        let headers: Headers = pairs.into_iter().collect();
        let out: Vec<_> = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let expect: Vec<_> =
            pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        assert_eq!(out, expect);
        assert_eq!((headers.len(), headers.size()), (5, 8));
        assert_eq!((headers.get("a"), headers.get("d")), (Some(&b"1"[..]), None));
        assert_eq!((headers.text("c"), headers.text("d")), ("\u{e9}", ""));
    }

    #[test]
    fn values_are_not_shown() {
        let headers: Headers = [("authorization", "Bearer weir_1")].into_iter().collect();
        assert_eq!(format!("{headers:?}"), r#"["authorization"]"#);
    }
}

use std::fmt;

/// What stands in its place.
const REMOVED: &[u8] = b"[removed]";
/// Shorter ones are words that may stand in a message by themselves.
const SHORTEST: usize = 8;

/// The credential that an attempt showed to its provider, kept so that a provider that quotes it in an error does not show it
/// to the client.
pub(crate) struct Credential(Vec<u8>);

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credential")
    }
}

impl Credential {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes the credential out of an error's text or JSON, wherever it stands in it.
    pub(crate) fn redact(&self, text: &mut Vec<u8>) {
        if self.0.len() < SHORTEST {
            return;
        }
        remove(text, &self.0);
        // As it stands in a JSON string, if that is something else.
        if self.0.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
            let escaped = self.0.iter().flat_map(|byte| match byte {
                b'"' | b'\\' => vec![b'\\', *byte],
                byte => vec![*byte],
            });
            remove(text, &escaped.collect::<Vec<u8>>());
        }
    }
}

/// In one pass, since a hostile provider chooses the text.
fn remove(text: &mut Vec<u8>, secret: &[u8]) {
    let mut rest = text.as_slice();
    let mut kept = Vec::new();
    while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
        let (before, from) = rest.split_at(at);
        kept.extend_from_slice(before);
        kept.extend_from_slice(REMOVED);
        rest = from.get(secret.len()..).unwrap_or_default();
    }
    if !kept.is_empty() {
        kept.extend_from_slice(rest);
        *text = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_taken_out_wherever_it_stands() {
        let check = |credential: &str, text: &str, expect: &str| {
            let mut text = text.as_bytes().to_vec();
            Credential::new(credential.into()).redact(&mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expect);
        };
        check("sk-12345678", "sk-12345678", "[removed]");
        check("sk-12345678", "a sk-12345678, sk-12345678 b sk-1234567", "a [removed], [removed] b sk-1234567");
        check("sk-12345678", "", "");
        check(r#"sk-"1\23456"#, r#"{"m":"sk-\"1\\23456"} sk-"1\23456"#, r#"{"m":"[removed]"} [removed]"#);
        check("[removed]", "a [removed]", "a [removed]");
        // A word that is a credential only by name.
        check("none", "there is none", "there is none");
        assert_eq!(format!("{:?}", Credential::new(b"sk-12345678".to_vec())), "Credential");
    }
}

//! How the other end of the connection, and those before it, have shown who they are.

use weir_host::{Headers, Host};
use weir_proto::dataplane::Peer;

/// The URI in the certificate that the connection's other end has shown; none without a certificate.
const PEER_URI: [&str; 2] = ["connection", "uri_san_peer_certificate"];
/// Header in which proxies before this one say whom they saw.
const FORWARDED: &[u8] = b"x-forwarded-client-cert";
/// No other URI identifies a workload, so none is told or remembered.
const SPIFFE: &str = "spiffe://";
/// Elements of it that are kept, those at the right: a gateway trusts so many hops at most.
const MOST_ELEMENTS: usize = 16;

/// What certificates say; `None`: nothing was shown. Which of it counts is the control plane's to say.
pub(crate) fn read_peer(host: &dyn Host, headers: &Headers) -> Option<Peer> {
    let uris: Vec<String> = host.property_text(&PEER_URI).filter(|uri| uri.starts_with(SPIFFE)).into_iter().collect();
    let mut forwarded_uris = Vec::new();
    for (_, value) in headers.iter().filter(|(name, _)| *name == FORWARDED) {
        match read_forwarded(value) {
            Some(read) => forwarded_uris.extend(read),
            // Where its elements begin cannot be told, so none of them counts.
            None => return (!uris.is_empty()).then(|| Peer { uris, forwarded_uris: Vec::new() }),
        }
    }
    let surplus = forwarded_uris.len().saturating_sub(MOST_ELEMENTS);
    forwarded_uris.drain(..surplus);
    let is_shown = !uris.is_empty() || forwarded_uris.iter().any(|uri| !uri.is_empty());
    is_shown.then_some(Peer { uris, forwarded_uris })
}

/// The URI of each element of one header: elements are separated by commas, their parts by semicolons, and either may stand within quotes.
/// `None`: a quotation is not ended.
fn read_forwarded(value: &[u8]) -> Option<Vec<String>> {
    let mut elements = vec![Element::default()];
    let mut part = Vec::new();
    let (mut quoted, mut escaped) = (false, false);
    for byte in value {
        match byte {
            _ if escaped => {
                escaped = false;
                part.push(*byte);
            }
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => {
                elements.last_mut()?.take(&part);
                part.clear();
                if *byte == b',' {
                    elements.push(Element::default());
                }
            }
            _ => part.push(*byte),
        }
    }
    elements.last_mut()?.take(&part);
    (!quoted).then(|| elements.into_iter().map(Element::uri).collect())
}

/// One proxy's word.
#[derive(Default)]
struct Element {
    uri: Option<String>,
    /// A certificate with several names says none.
    has_several: bool,
}

impl Element {
    fn take(&mut self, part: &[u8]) {
        let part = part.trim_ascii();
        let Some((name, uri)) = part.split_at_checked(4) else { return };
        if !name.eq_ignore_ascii_case(b"uri=") || uri.is_empty() {
            return;
        }
        self.has_several |= self.uri.is_some();
        self.uri = Some(String::from_utf8_lossy(uri).into_owned());
    }

    fn uri(self) -> String {
        self.uri.filter(|uri| !self.has_several && uri.starts_with(SPIFFE)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_told_apart_in_whatever_way_they_are_written() {
        let check = |value: &str, expect: Option<&[&str]>| {
            let read = read_forwarded(value.as_bytes());
            assert_eq!(read, expect.map(|uris| uris.iter().map(|uri| (*uri).to_owned()).collect()), "{value}");
        };
        check("By=spiffe://b;Hash=ab;URI=spiffe://a", Some(&["spiffe://a"]));
        check("URI=spiffe://a,By=x;uri=spiffe://b", Some(&["spiffe://a", "spiffe://b"]));
        check("Hash=ab", Some(&[""]));
        check("", Some(&[""]));
        check("Hash=ab,URI=spiffe://b", Some(&["", "spiffe://b"]));
        check("URI=", Some(&[""]));
        check(r#"Subject="CN=a,URI=spiffe://spoofed;O=b";URI=spiffe://a"#, Some(&["spiffe://a"]));
        check(r#"Subject="a\",URI=spiffe://spoofed,\"";URI=spiffe://a"#, Some(&["spiffe://a"]));
        check(r#"Subject="/C=US",URI="spiffe://a""#, Some(&["", "spiffe://a"]));
        check(r#"Subject="not ended,URI=spiffe://a"#, None);
        check("URI=spiffe://a;URI=spiffe://b", Some(&[""]));
        check("XURI=spiffe://a", Some(&[""]));
        check("URI=https://a.example/1", Some(&[""]));
    }
}

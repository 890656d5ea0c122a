//! Answers that a provider compressed though it was asked not to.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Decodes one answer as its pieces come.
#[derive(Debug)]
pub(crate) struct Decoder {
    coding: Coding,
}

#[derive(Debug)]
enum Coding {
    Gzip(MultiGzDecoder<Bounded>),
    /// `deflate`, until its first two bytes tell whether they are zlib's, as they should be (RFC 9110, 8.4.1.2).
    Deflate {
        begun: Vec<u8>,
        most_bytes: usize,
    },
    Zlib(ZlibDecoder<Bounded>),
    Raw(DeflateDecoder<Bounded>),
}

/// An answer that cannot be decoded, or one piece of which becomes longer than its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider's compressed answer cannot be decoded")]
pub(crate) struct Undecodable;

impl Decoder {
    /// For an answer with this `content-encoding`, each piece of which may become so long. `None`: it is one that nobody here knows.
    pub(crate) fn new(encoding: &str, most_bytes: usize) -> Option<Self> {
        let coding = match encoding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Coding::Gzip(MultiGzDecoder::new(Bounded::new(most_bytes))),
            "deflate" => Coding::Deflate { begun: Vec::new(), most_bytes },
            _ => return None,
        };
        Some(Self { coding })
    }

    /// What the next piece becomes, as far as its bytes tell.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Undecodable> {
        let decoded = match &mut self.coding {
            Coding::Gzip(decoder) => pass(decoder, bytes, |decoder| decoder.get_mut()),
            Coding::Zlib(decoder) => pass(decoder, bytes, |decoder| decoder.get_mut()),
            Coding::Raw(decoder) => pass(decoder, bytes, |decoder| decoder.get_mut()),
            Coding::Deflate { begun, most_bytes } => {
                begun.extend_from_slice(bytes);
                let [first, second, ..] = begun.as_slice() else { return Ok(Vec::new()) };
                // RFC 1950, 2.2: the method is 8, and both bytes are a multiple of 31.
                let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0;
                let (begun, bounded) = (std::mem::take(begun), Bounded::new(*most_bytes));
                self.coding = match is_zlib {
                    true => Coding::Zlib(ZlibDecoder::new(bounded)),
                    false => Coding::Raw(DeflateDecoder::new(bounded)),
                };
                return self.push(&begun);
            }
        };
        decoded.map_err(|_| Undecodable)
    }
}

fn pass<D: Write>(decoder: &mut D, bytes: &[u8], bounded: impl Fn(&mut D) -> &mut Bounded) -> io::Result<Vec<u8>> {
    decoder.write_all(bytes)?;
    decoder.flush()?;
    Ok(std::mem::take(&mut bounded(decoder).bytes))
}

/// Collects up to a bound.
#[derive(Debug)]
struct Bounded {
    bytes: Vec<u8>,
    most_bytes: usize,
}

impl Bounded {
    fn new(most_bytes: usize) -> Self {
        Self { bytes: Vec::new(), most_bytes }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.most_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::{Decoder, Undecodable};

    /// As a server would: flushed behind each piece.
    pub(crate) fn compressed(coding: &str, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        fn run<W: std::io::Write>(
            mut to: W,
            pieces: &[&[u8]],
            inner: impl Fn(&mut W) -> &mut Vec<u8>,
            end: impl Fn(W) -> Vec<u8>,
        ) -> Vec<Vec<u8>> {
            let mut out = Vec::new();
            for piece in pieces {
                to.write_all(piece).unwrap();
                to.flush().unwrap();
                out.push(std::mem::take(inner(&mut to)));
            }
            out.push(end(to));
            out
        }
        let best = Compression::best();
        match coding {
            "gzip" => run(GzEncoder::new(Vec::new(), best), pieces, |to| to.get_mut(), |to| to.finish().unwrap()),
            "zlib" => run(ZlibEncoder::new(Vec::new(), best), pieces, |to| to.get_mut(), |to| to.finish().unwrap()),
            _ => run(DeflateEncoder::new(Vec::new(), best), pieces, |to| to.get_mut(), |to| to.finish().unwrap()),
        }
    }

    fn encoding(coding: &str) -> &str {
        if coding == "gzip" { " GZip" } else { "deflate" }
    }

    #[test]
    fn each_piece_is_decoded_as_it_comes() {
        for coding in ["gzip", "zlib", "raw"] {
            let pieces: [&[u8]; 3] = [b"data: one\n\n", b"data: two\n\n", b"data: three\n\n"];
            let mut decoder = Decoder::new(encoding(coding), 100).unwrap();
            for (sent, expect) in compressed(coding, &pieces).iter().zip(pieces.iter().chain([&&b""[..]])) {
                assert_eq!(decoder.push(sent).unwrap(), *expect, "{coding}");
            }
        }
    }

    #[test]
    fn a_bomb_is_not_decoded() {
        let zeros = vec![0_u8; 1 << 20];
        for coding in ["gzip", "zlib", "raw"] {
            let sent = compressed(coding, &[&zeros]).concat();
            let decoded = |most| Decoder::new(encoding(coding), most).unwrap().push(&sent);
            assert!(sent.len() < 2_000);
            assert_eq!(decoded(zeros.len() - 1), Err(Undecodable), "{coding}");
            assert_eq!(decoded(zeros.len()).map(|decoded| decoded.len()), Ok(zeros.len()), "{coding}");
        }
    }

    #[test]
    fn what_is_no_such_coding_is_an_error() {
        for (encoding, sent) in [("gzip", &b"<html>, no gzip"[..]), ("deflate", b"\xff\xff\xff\xff")] {
            assert_eq!(Decoder::new(encoding, 100).unwrap().push(sent), Err(Undecodable));
        }
        for encoding in ["br", "zstd", "gzip, gzip", "compress", "x"] {
            assert!(Decoder::new(encoding, 100).is_none(), "{encoding}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..400_usize, coding in prop::sample::select(vec!["gzip", "zlib", "raw"])) {
            let sent = compressed(coding, &[&bytes]).concat();
            let (first, second) = sent.split_at(at.min(sent.len()));
            let mut decoder = Decoder::new(encoding(coding), 1_000).unwrap();
            let mut decoded = decoder.push(first).unwrap();
            decoded.extend(decoder.push(second).unwrap());
            prop_assert_eq!(decoded, bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), gzip in any::<bool>()) {
            let mut sent = if gzip { b"\x1f\x8b\x08\x00".to_vec() } else { Vec::new() };
            sent.extend(bytes);
            let _ = Decoder::new(if gzip { "gzip" } else { "deflate" }, 10_000).unwrap().push(&sent);
        }
    }
}

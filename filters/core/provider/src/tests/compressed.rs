//! Answers that are compressed though it was asked not to.

use super::answers::{CHAT, EVENTS, JSON, STREAM, WHOLE, ask, chunk};
use super::{Received, exchange};
use crate::encoding::tests::compressed;

fn received(body: &str, headers: &[(&str, &str)], pieces: &[Vec<u8>]) -> Received {
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    ask(body, &exchange()).answer(headers, &pieces)
}

#[test]
fn a_compressed_answer_reaches_the_client_as_it_was() {
    for (encoding, coding) in [("gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw")] {
        let sent = compressed(coding, &[WHOLE.as_bytes()]);
        let whole = received(CHAT, &[(":status", "200"), JSON, ("content-encoding", encoding)], &sent);
        let expect = WHOLE.replace("gpt-real", "chat");
        assert_eq!((whole.status(), whole.body()), ("200", expect.clone()), "{coding}");
        assert_eq!(whole.header("content-length"), Some(expect.len().to_string().as_str()));
        assert_eq!(whole.header("content-encoding"), None);
        // Nothing of it needs to be changed.
        let named = compressed(coding, &[expect.as_bytes()]);
        let whole = received(CHAT, &[(":status", "200"), JSON, ("content-encoding", encoding)], &named);
        assert_eq!((whole.status(), whole.body()), ("200", expect));
    }
}

#[test]
fn a_compressed_stream_reaches_the_client_as_it_comes() {
    let events = [
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk(r#"{"content":"hel"}"#, "null"),
        chunk(r#"{"content":"lo"}"#, "\"stop\""),
        "data: [DONE]\n\n".to_owned(),
    ];
    let pieces: Vec<&[u8]> = events.iter().map(String::as_bytes).collect();
    for coding in ["gzip", "zlib", "raw"] {
        let encoding = if coding == "gzip" { "gzip" } else { "deflate" };
        let stream = received(
            STREAM,
            &[(":status", "200"), EVENTS, ("content-encoding", encoding)],
            &compressed(coding, &pieces),
        );
        assert_eq!(stream.status(), "200");
        assert_eq!(stream.header("content-encoding"), None);
        assert_eq!(stream.body(), events.concat().replace("gpt-real", "chat"), "{coding}");
        assert!(stream.pieces[0].contains("hel") && !stream.pieces[0].contains("\"lo\""), "{:?}", stream.pieces);
    }
}

#[test]
fn a_compressed_error_keeps_its_words() {
    let error = br#"{"error":{"message":"bad tool"}}"#;
    let failed =
        received(CHAT, &[(":status", "400"), JSON, ("content-encoding", "gzip")], &compressed("gzip", &[error]));
    assert!(failed.status() == "400" && failed.body().contains("bad tool"), "{}", failed.body());
}

#[test]
fn what_cannot_be_decoded_is_no_answer() {
    let check = |body: &str, kind: (&str, &str), encoding: &str, pieces: &[Vec<u8>]| {
        let received = received(body, &[(":status", "200"), kind, ("content-encoding", encoding)], pieces);
        assert_eq!(received.status(), "502", "{encoding}");
        assert!(received.body().contains("upstream_invalid_response"), "{}", received.body());
    };
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, br"] {
        check(CHAT, JSON, encoding, &[b"\xff\xffrubbish".to_vec()]);
        check(STREAM, EVENTS, encoding, &[b"\xff\xffrubbish".to_vec(), Vec::new()]);
    }
    // Half an answer, and one that would fill the VM.
    let mut half = compressed("gzip", &[WHOLE.as_bytes()]).concat();
    half.truncate(half.len() / 2);
    check(CHAT, JSON, "gzip", &[half]);
    let zeros = vec![b' '; 33 << 20];
    check(CHAT, JSON, "gzip", &compressed("gzip", &[&zeros]));
    check(STREAM, EVENTS, "gzip", &compressed("gzip", &[&zeros]));
}

#[test]
fn a_stream_that_cannot_be_decoded_on_ends_with_an_error() {
    let mut pieces = compressed("gzip", &[chunk(r#"{"content":"hel"}"#, "null").as_bytes()]);
    pieces.pop();
    pieces.push(b"\xff\xff\xff\xff rubbish".to_vec());
    pieces.push(b"more".to_vec());
    let stream = received(STREAM, &[(":status", "200"), EVENTS, ("content-encoding", "gzip")], &pieces);
    assert_eq!(stream.status(), "200");
    let body = stream.body();
    assert!(body.contains("hel") && body.contains("cannot be decoded") && !body.contains("more"), "{body}");
}

use proptest::prelude::*;

use super::*;

type Seen = Vec<(String, String, Vec<u8>)>;

fn frame<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, most_bytes: usize) -> (Seen, Option<FrameError>) {
    let mut framer = Framer::new(most_bytes);
    let mut seen = Vec::new();
    let mut each = |event: Event<'_>| seen.push((event.event.to_owned(), event.data.to_owned(), event.raw.to_vec()));
    let mut error = None;
    for chunk in chunks {
        error = error.or(framer.push(chunk, &mut each).err());
    }
    error = error.or(framer.finish(&mut each).err());
    (seen, error)
}

fn check(stream: &str, expect: &[(&str, &str)]) {
    let (seen, error) = frame([stream.as_bytes()], 1_000);
    let found: Vec<_> = seen.iter().map(|(event, data, _)| (event.as_str(), data.as_str())).collect();
    assert_eq!(found, expect, "{stream:?}");
    assert_eq!(error, None);
    let raw: Vec<u8> = seen.iter().flat_map(|(_, _, raw)| raw.clone()).collect();
    assert_eq!(raw, stream.as_bytes(), "every byte is in some event");
    for at in 0..=stream.len() {
        let (head, tail) = stream.as_bytes().split_at(at);
        assert_eq!(frame([head, tail], 1_000).0, seen, "{stream:?} split at {at}");
    }
}

#[test]
fn what_providers_send() {
    check("data: a\n\ndata:b\n\n", &[("", "a"), ("", "b")]);
    check("event: e\r\ndata:  a\r\n\r\n", &[("e", " a")]);
    check("data: a\r\rdata: b\r\r", &[("", "a"), ("", "b")]);
    check("\u{feff}data: a\n\n", &[("", "a")]);
    check(": comment\n\ndata: a\n: c\nid: 1\n\n", &[("", ""), ("", "a")]);
    check("data: a\ndata: ä\ndata\n\n", &[("", "a\nä\n")]);
    check("data: a\n\nevent: e\ndata: last", &[("", "a"), ("e", "last")]);
    check("data: {\"a\":\"b: c\"}\n\n\n", &[("", "{\"a\":\"b: c\"}"), ("", "")]);
    check("", &[]);
}

#[test]
fn what_is_no_utf8_is_replaced_in_the_data_only() {
    let (seen, _) = frame([b"data: a\xffb\n\n".as_slice()], 1_000);
    assert_eq!(seen, [(String::new(), "a\u{fffd}b".to_owned(), b"data: a\xffb\n\n".to_vec())]);
}

#[test]
fn a_large_event_is_an_error_for_good() {
    let stream = format!("data: a\n\ndata: {}\n\ndata: b\n\n", "x".repeat(100));
    for size in [1, 7, 1_000] {
        let (seen, error) = frame(stream.as_bytes().chunks(size), 50);
        assert_eq!(seen.len(), 1);
        assert_eq!(error, Some(FrameError::EventTooLarge { most_bytes: 50 }));
    }
}

#[test]
fn data_is_replaced_in_place() {
    let mut out = Vec::new();
    let mut framer = Framer::default();
    framer
        .push(b"id: 1\r\ndata: old\r\n\r\ndata: a\ndata: b\n\n", &mut |event| event.write_with_data("new", &mut out))
        .unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "id: 1\r\ndata: new\r\n\r\ndata: new\n\n");
}

proptest! {
    #[test]
    fn any_chunks_give_the_same_events(
        pieces in prop::collection::vec(
            prop_oneof![Just("\n"), Just("\r"), Just("\r\n"), Just("data:"), Just("event: "), Just(":"), Just("ä€😀"), Just(" x")],
            0..60,
        ),
        size in 1_usize..9,
    ) {
        let stream = pieces.concat();
        let whole = frame([stream.as_bytes()], 40);
        prop_assert_eq!(frame(stream.as_bytes().chunks(size), 40), whole);
    }
}

use super::*;

/// A message, as the service writes it.
fn message(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in headers {
        written.push(u8::try_from(name.len()).unwrap());
        written.extend_from_slice(name.as_bytes());
        written.push(7);
        written.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        written.extend_from_slice(value.as_bytes());
    }
    framed(&written, payload.as_bytes())
}

fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(LEAST_BYTES + headers.len() + payload.len()).unwrap();
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    message.extend_from_slice(headers);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    message
}

fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    message(&headers, payload)
}

/// The data of all events of a stream that comes in pieces of this size, and how it ends.
fn read(stream: &[u8], piece: usize) -> (Vec<String>, Result<(), EventStreamError>) {
    let mut framer = EventStreamFramer::default();
    let mut data = Vec::new();
    for bytes in stream.chunks(piece) {
        if let Err(error) = framer.push(bytes, &mut |event| data.push(event.data.to_owned())) {
            return (data, Err(error));
        }
    }
    (data, framer.finish())
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let stream = [
        event("messageStart", r#"{"role":"assistant","p":"abc"}"#),
        event("contentBlockDelta", r#"{"delta":{"text":"Grüße"}}"#),
        event("empty", ""),
    ]
    .concat();
    let expect = [
        r#"{"messageStart":{"role":"assistant","p":"abc"}}"#,
        r#"{"contentBlockDelta":{"delta":{"text":"Grüße"}}}"#,
        r#"{"empty":{}}"#,
    ];
    for piece in 1..=stream.len() {
        let (data, end) = read(&stream, piece);
        assert_eq!((data.as_slice(), end), (expect.map(str::to_owned).as_slice(), Ok(())), "pieces of {piece}");
    }
}

/// What the service's own library writes (botocore's test vectors, `all_headers` and `payload_no_headers`).
#[test]
fn messages_of_others_are_read() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    let no_headers = b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfdR\x8cZ{'foo':'bar'}\xc3e96";
    assert_eq!(read(no_headers, 7).0, [r#"{"":{'foo':'bar'}}"#]);
}

#[test]
fn exceptions_and_errors_have_their_names() {
    let exception = [(":exception-type", "throttlingException"), (":message-type", "exception")];
    let stream = message(&exception, r#"{"message":"Slow down."}"#);
    assert_eq!(read(&stream, 3).0, [r#"{"throttlingException":{"message":"Slow down."}}"#]);
    let error = [(":error-code", "InternalError"), (":error-message", "a \"b\""), (":message-type", "error")];
    assert_eq!(read(&message(&error, ""), 9).0, [r#"{"InternalError":{"message":"a \"b\""}}"#]);
}

#[test]
fn what_is_wrong_ends_the_stream() {
    let good = event("messageStop", r#"{"stopReason":"end_turn"}"#);
    for at in 0..good.len() {
        let mut broken = good.clone();
        broken[at] ^= 1;
        let (data, end) = read(&broken, 5);
        assert_eq!((data.len(), end), (0, Err(EventStreamError::Checksum)), "byte {at}");
    }
    for short in 1..good.len() {
        assert_eq!(read(&good[..short], 4).1, Err(EventStreamError::Truncated), "{short} bytes");
    }
    for said_bytes in [0, 15, 1 << 21, u32::MAX] {
        let mut prelude = said_bytes.to_be_bytes().to_vec();
        prelude.extend_from_slice(&[0; 4]);
        prelude.extend_from_slice(&crc32(&prelude).to_be_bytes());
        assert_eq!(read(&prelude, 12).1, Err(EventStreamError::Length { said_bytes }));
    }
    // Longer headers than the message has room for.
    let mut prelude = 20_u32.to_be_bytes().to_vec();
    prelude.extend_from_slice(&5_u32.to_be_bytes());
    prelude.extend_from_slice(&crc32(&prelude).to_be_bytes());
    assert_eq!(read(&prelude, 12).1, Err(EventStreamError::Length { said_bytes: 20 }));
    for headers in [b"\x05ab".as_slice(), b"\x01a", b"\x01a\x0a", b"\x01a\x07\x00\x09abc", b"\x01a\x07\x00\x01\xff"] {
        assert_eq!(read(&framed(headers, b"{}"), 100).1, Err(EventStreamError::Malformed), "{headers:?}");
    }
    assert_eq!(read(&framed(b"", b"\xff"), 100).1, Err(EventStreamError::Malformed));
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let mut headers = Vec::new();
    for (kind, value) in [
        (0, &b""[..]),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\0\x02ab"),
        (8, b"12345678"),
        (9, b"1234567812345678"),
    ] {
        headers.extend_from_slice(b"\x01x");
        headers.push(kind);
        headers.extend_from_slice(value);
    }
    headers.extend_from_slice(b"\x0b:event-type\x07\x00\x01e");
    assert_eq!(read(&framed(&headers, b"1"), 50).0, [r#"{"e":1}"#]);
}

//! What callers ask about themselves.

use weir_proto::dataplane::{OwnAbout, ReadOwnRequest, ReadOwnResponse};

use super::*;

fn asked(path: &str) -> (Worker, Request) {
    let mut worker = Worker::new(&[("a", 1, 60)], 10, "closed", &SharedData::default());
    worker.host.headers[0] = vec![(":path".to_owned(), path.as_bytes().to_vec())];
    let request = worker.request_for(Operation::of("GET", path, &|_| false).expect("an operation"));
    (worker, request)
}

fn answered(worker: &mut Worker, request: &mut Request, answer: Result<&[u8], CallError>) -> Reply {
    let call = worker.host.calls.last().expect("a callout").id;
    match request.stream.on_call(&mut worker.host, call, answer) {
        Flow::Reply(reply) => reply,
        flow => panic!("{flow:?}"),
    }
}

#[test]
fn what_the_control_plane_says_of_the_caller_is_the_answer() {
    for (path, about, query) in [
        ("/v1/rate-limit", OwnAbout::Limits, ""),
        ("/api/v1/usage?from=2026-11-01&to=2026-11-02", OwnAbout::Usage, "from=2026-11-01&to=2026-11-02"),
    ] {
        let (mut worker, mut request) = asked(path);
        assert_eq!(request.flow, Flow::Pause);
        let call = worker.host.calls.last().expect("a callout").clone();
        let sent = ReadOwnRequest::decode(call.message.as_slice()).expect("is decodable");
        assert_eq!((call.method.as_str(), sent.tenant_id.as_str()), ("ReadOwn", "acme"));
        assert_eq!((sent.about(), sent.query.as_str()), (about, query));
        let told = ReadOwnResponse { json: b"{\"data\": []}".to_vec(), refusal: String::new() };
        let reply = answered(&mut worker, &mut request, Ok(&told.encode_to_vec()));
        assert_eq!((reply.status, reply.body), (200, told.json));
    }
}

#[test]
fn what_is_not_answered_is_refused_in_words() {
    let check = |answer: Result<Vec<u8>, CallError>, status: u16, word: &str| {
        let (mut worker, mut request) = asked("/v1/usage?from=x");
        let reply = answered(&mut worker, &mut request, answer.as_deref().map_err(Clone::clone));
        let text = String::from_utf8(reply.body).expect("is text");
        assert_eq!(reply.status, status, "{text}");
        assert!(text.contains(word), "{text}");
    };
    let refused = ReadOwnResponse { json: Vec::new(), refusal: "from must be a day".into() }.encode_to_vec();
    check(Ok(refused), 400, "from must be a day");
    check(Ok(vec![0xff]), 503, "usage_unavailable");
    let failed = |status| Err(CallError { status });
    check(failed(14), 503, "usage_unavailable");
    check(failed(8), 429, "rate_limit_exceeded");
}

#[test]
fn a_control_plane_that_cannot_be_asked_is_said() {
    let mut worker = Worker::new(&[], 10, "closed", &SharedData::default());
    worker.host.refuse_calls = true;
    let request = worker.request_for(Operation::of("GET", "/v1/usage", &|_| false).expect("an operation"));
    let Flow::Reply(reply) = request.flow else { panic!("{:?}", request.flow) };
    assert_eq!(reply.status, 503);
}

//! What a list of filters does behind one door is what the proxy would have done with each behind its own.

use std::cell::RefCell;
use std::rc::Rc;

use weir_host::fake::FakeHost;
use weir_host::{CallError, CallId, Flow, Host, HttpAnswer, HttpCall, HttpError, Message, Reply, StreamFilter};

use crate::Chain;

/// What a filter does when it sees the headers.
#[derive(Clone, Copy)]
enum At {
    Pass,
    /// Holds the message until its body is whole.
    Gather,
    /// Holds the message until its body is whole, and replaces it.
    Replace(&'static str),
    /// Holds the message until a callout is answered.
    Ask,
    /// Holds what comes from the second piece of the body on until an HTTP service has answered.
    AskInBody,
    /// Asks, and holds nothing.
    AskAndPass,
    Answer,
}

/// Writes down what it sees.
struct Scripted {
    name: &'static str,
    request: At,
    response: At,
    asked: bool,
    seen: Rc<RefCell<Vec<String>>>,
}

impl Scripted {
    fn note(&self, what: String) {
        self.seen.borrow_mut().push(format!("{} {what}", self.name));
    }

    fn on_headers(&mut self, host: &mut dyn Host, at: At) -> Flow {
        match at {
            At::Pass | At::AskInBody => Flow::Continue,
            At::AskAndPass => {
                ask(host);
                Flow::Continue
            }
            At::Gather | At::Replace(_) => Flow::Pause,
            At::Ask => {
                host.call("c", "m", &[], 1).unwrap();
                self.asked = true;
                Flow::Pause
            }
            At::Answer => Flow::Reply(Reply { status: 403, headers: Vec::new(), body: Vec::new(), code: "no" }),
        }
    }

    fn on_body(&mut self, host: &mut dyn Host, of: Message, at: At, end_of_stream: bool) -> Flow {
        match at {
            At::Gather | At::Replace(_) if !end_of_stream => Flow::Pause,
            At::Replace(text) => {
                host.set_body(of, text.as_bytes()).unwrap();
                Flow::Continue
            }
            At::AskInBody => {
                if !self.asked {
                    ask(host);
                    self.asked = true;
                }
                Flow::Pause
            }
            At::Ask if self.asked => Flow::Pause,
            _ => Flow::Continue,
        }
    }
}

fn ask(host: &mut dyn Host) {
    let call = HttpCall { cluster: "c", authority: "a", path: "/", body: b"{}", timeout_ms: 1 };
    host.http_call(&call).unwrap();
}

impl StreamFilter for Scripted {
    fn on_request_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        self.note(format!("request headers{}", if end_of_stream { ", no more" } else { "" }));
        self.on_headers(host, self.request)
    }
    fn on_request_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        self.note(format!("request body {held}{}", if end_of_stream { ", no more" } else { "" }));
        self.on_body(host, Message::Request, self.request, end_of_stream)
    }
    fn on_call(&mut self, _host: &mut dyn Host, _call: CallId, _answer: Result<&[u8], CallError>) -> Flow {
        self.note("call".into());
        self.asked = false;
        Flow::Continue
    }
    fn on_http_answer(&mut self, host: &mut dyn Host, _: CallId, answer: Result<&HttpAnswer, HttpError>) -> Flow {
        let told = answer.map(|answer| answer.status.to_string()).unwrap_or_else(|error| error.to_string());
        self.note(format!("answer {told}"));
        self.response = At::Pass;
        match told.as_str() {
            "201" => host.set_body(Message::Response, b"eleven more").unwrap(),
            "403" => return Flow::Reply(Reply { status: 403, headers: Vec::new(), body: Vec::new(), code: "no" }),
            _ => {}
        }
        Flow::Continue
    }
    fn on_response_headers(&mut self, host: &mut dyn Host, end_of_stream: bool) -> Flow {
        self.note(format!("response headers{}", if end_of_stream { ", no more" } else { "" }));
        self.on_headers(host, self.response)
    }
    fn on_response_body(&mut self, host: &mut dyn Host, held: usize, end_of_stream: bool) -> Flow {
        self.note(format!("response body {held}{}", if end_of_stream { ", no more" } else { "" }));
        self.on_body(host, Message::Response, self.response, end_of_stream)
    }
    fn on_log(&mut self, _host: &mut dyn Host) {
        self.note("log".into());
    }
}

/// What the proxy calls.
#[derive(Clone, Copy)]
enum Event {
    RequestHeaders {
        end: bool,
    },
    RequestBody {
        held: usize,
        end: bool,
    },
    Call,
    /// The callout of this number, with this status.
    Answer(u32, u16),
    /// It will not be answered.
    NoAnswer(u32),
    ResponseHeaders {
        end: bool,
    },
    ResponseBody {
        held: usize,
        end: bool,
    },
    Log,
}
use Event::{Answer, Call, Log, NoAnswer, RequestBody, RequestHeaders, ResponseBody, ResponseHeaders};

#[track_caller]
fn check(stages: &[(&'static str, At, At)], events: &[(Event, &str)], expect: &[&str]) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let filters = stages.iter().map(|(name, request, response)| {
        let filter = Scripted { name, request: *request, response: *response, asked: false, seen: Rc::clone(&seen) };
        Box::new(filter) as Box<dyn StreamFilter>
    });
    let mut chain = Chain::new(filters.collect());
    let mut host = FakeHost::default();
    for (number, (event, outcome)) in events.iter().enumerate() {
        let flow = match *event {
            RequestHeaders { end } => chain.on_request_headers(&mut host, end),
            RequestBody { held, end } => chain.on_request_body(&mut host, held, end),
            Call => chain.on_call(&mut host, 1, Ok(&[])),
            Answer(id, status) => chain.on_http_answer(&mut host, id, Ok(&HttpAnswer { status, body: Vec::new() })),
            NoAnswer(id) => chain.on_http_answer(&mut host, id, Err(HttpError::Broken)),
            ResponseHeaders { end } => chain.on_response_headers(&mut host, end),
            ResponseBody { held, end } => chain.on_response_body(&mut host, held, end),
            Log => {
                chain.on_log(&mut host);
                Flow::Continue
            }
        };
        let name = match flow {
            Flow::Continue => "continue",
            Flow::Pause => "pause",
            Flow::Reply(_) => "reply",
        };
        assert_eq!(name, *outcome, "event {number}");
    }
    assert_eq!(*seen.borrow(), expect);
}

const PASS: At = At::Pass;

#[test]
fn requests_go_forwards_and_responses_backwards() {
    check(
        &[("a", PASS, PASS), ("b", PASS, PASS)],
        &[
            (RequestHeaders { end: true }, "continue"),
            (ResponseHeaders { end: false }, "continue"),
            (ResponseBody { held: 3, end: true }, "continue"),
            (Log, "continue"),
        ],
        &[
            "a request headers, no more",
            "b request headers, no more",
            "b response headers",
            "a response headers",
            "b response body 3, no more",
            "a response body 3, no more",
            "a log",
            "b log",
        ],
    );
}

#[test]
fn a_filter_sees_headers_before_the_body_and_nothing_overtakes_a_held_message() {
    check(
        &[("a", PASS, PASS), ("b", At::Gather, PASS), ("c", At::Replace("four"), PASS), ("d", PASS, PASS)],
        &[
            (RequestHeaders { end: false }, "pause"),
            (RequestBody { held: 5, end: false }, "pause"),
            (RequestBody { held: 9, end: true }, "continue"),
        ],
        &[
            "a request headers",
            "b request headers",
            "a request body 5",
            "b request body 5",
            "a request body 9, no more",
            "b request body 9, no more",
            "c request headers",
            "c request body 9, no more",
            "d request headers",
            "d request body 4, no more",
        ],
    );
}

#[test]
fn an_answer_to_a_callout_lets_the_rest_of_the_chain_have_what_is_already_held() {
    let chain = [("a", At::Ask, PASS), ("b", At::Gather, PASS), ("c", PASS, PASS)];
    // All of the body came while the callout was open.
    check(
        &chain,
        &[(RequestHeaders { end: false }, "pause"), (RequestBody { held: 7, end: true }, "pause"), (Call, "continue")],
        &[
            "a request headers",
            "a request body 7, no more",
            "a call",
            "b request headers",
            "b request body 7, no more",
            "c request headers",
            "c request body 7, no more",
        ],
    );
    // Some of it, or nothing yet.
    check(
        &chain,
        &[
            (RequestHeaders { end: false }, "pause"),
            (RequestBody { held: 2, end: false }, "pause"),
            (Call, "pause"),
            (RequestBody { held: 7, end: true }, "continue"),
        ],
        &[
            "a request headers",
            "a request body 2",
            "a call",
            "b request headers",
            "b request body 2",
            "a request body 7, no more",
            "b request body 7, no more",
            "c request headers",
            "c request body 7, no more",
        ],
    );
    check(
        &chain,
        &[(RequestHeaders { end: false }, "pause"), (Call, "pause"), (RequestBody { held: 7, end: true }, "continue")],
        &[
            "a request headers",
            "a call",
            "b request headers",
            "a request body 7, no more",
            "b request body 7, no more",
            "c request headers",
            "c request body 7, no more",
        ],
    );
    // There is none.
    check(
        &[("a", At::Ask, PASS), ("b", PASS, PASS)],
        &[(RequestHeaders { end: true }, "pause"), (Call, "continue")],
        &["a request headers, no more", "a call", "b request headers, no more"],
    );
}

#[test]
fn a_second_callout_may_follow_in_the_middle_of_the_body() {
    check(
        &[("a", At::Gather, PASS), ("b", At::Ask, PASS), ("c", PASS, PASS)],
        &[(RequestHeaders { end: false }, "pause"), (RequestBody { held: 7, end: true }, "pause"), (Call, "continue")],
        &[
            "a request headers",
            "a request body 7, no more",
            "b request headers",
            "b request body 7, no more",
            "b call",
            "c request headers",
            "c request body 7, no more",
        ],
    );
}

#[test]
fn who_answers_ends_the_way_and_those_behind_see_nothing() {
    check(
        &[("a", PASS, PASS), ("b", At::Answer, PASS), ("c", PASS, PASS)],
        &[
            (RequestHeaders { end: false }, "reply"),
            (ResponseHeaders { end: false }, "continue"),
            (ResponseBody { held: 2, end: true }, "continue"),
            (Log, "continue"),
        ],
        &[
            "a request headers",
            "b request headers",
            "b response headers",
            "a response headers",
            "b response body 2, no more",
            "a response body 2, no more",
            "a log",
            "b log",
        ],
    );
    check(
        &[("a", At::Gather, PASS), ("b", At::Answer, PASS), ("c", PASS, PASS)],
        &[(RequestHeaders { end: false }, "pause"), (RequestBody { held: 1, end: true }, "reply"), (Log, "continue")],
        &["a request headers", "a request body 1, no more", "b request headers", "a log", "b log"],
    );
}

#[test]
fn a_held_response_waits_for_its_end() {
    check(
        &[("a", PASS, PASS), ("b", PASS, At::Replace("three")), ("c", PASS, PASS)],
        &[
            (RequestHeaders { end: true }, "continue"),
            (ResponseHeaders { end: false }, "pause"),
            (ResponseBody { held: 3, end: false }, "pause"),
            (ResponseBody { held: 8, end: true }, "continue"),
            (Log, "continue"),
        ],
        &[
            "a request headers, no more",
            "b request headers, no more",
            "c request headers, no more",
            "c response headers",
            "b response headers",
            "c response body 3",
            "b response body 3",
            "c response body 8, no more",
            "b response body 8, no more",
            "a response headers",
            "a response body 5, no more",
            "a log",
            "b log",
            "c log",
        ],
    );
}

#[test]
fn a_call_that_nobody_waits_for_changes_nothing() {
    check(
        &[("a", PASS, PASS)],
        &[
            (RequestHeaders { end: false }, "continue"),
            (Call, "pause"),
            (RequestBody { held: 1, end: true }, "continue"),
        ],
        &["a request headers", "a request body 1, no more"],
    );
}

#[test]
fn an_answer_is_held_for_a_callout_and_goes_on_with_what_came() {
    let begun = [(RequestHeaders { end: true }, "continue"), (ResponseHeaders { end: false }, "pause")];
    let so_far = ["a request headers, no more", "b request headers, no more", "b response headers"];
    let chain = [("a", PASS, PASS), ("b", PASS, At::Ask)];
    // The callout is answered before the body, between its pieces, behind its end.
    let rest = ["b call", "a response headers"];
    check(
        &chain,
        &[&begun[..], &[(Call, "continue"), (ResponseBody { held: 3, end: true }, "continue")]].concat(),
        &[&so_far[..], &rest, &["b response body 3, no more", "a response body 3, no more"]].concat(),
    );
    check(
        &chain,
        &[&begun[..], &[(ResponseBody { held: 3, end: false }, "pause"), (Call, "continue")]].concat(),
        &[&so_far[..], &["b response body 3"], &rest, &["a response body 3"]].concat(),
    );
    check(
        &chain,
        &[&begun[..], &[(ResponseBody { held: 3, end: true }, "pause"), (Call, "continue")]].concat(),
        &[&so_far[..], &["b response body 3, no more"], &rest, &["a response body 3, no more"]].concat(),
    );
}

#[test]
fn a_stream_is_held_in_its_middle_and_goes_on_once_whatever_else_is_answered() {
    let begun = [
        (RequestHeaders { end: true }, "continue"),
        (ResponseHeaders { end: false }, "continue"),
        (ResponseBody { held: 3, end: false }, "pause"),
        (ResponseBody { held: 5, end: false }, "pause"),
        // None of this one's.
        (Answer(7, 200), "pause"),
    ];
    let so_far = [
        "a request headers, no more",
        "b request headers, no more",
        "b response headers",
        "a response headers",
        "b response body 3",
        "b response body 5",
    ];
    let chain = [("a", PASS, PASS), ("b", PASS, At::AskInBody)];
    check(
        &chain,
        &[
            &begun[..],
            // Answered twice.
            &[
                (Answer(1, 200), "continue"),
                (Answer(1, 200), "pause"),
                (ResponseBody { held: 2, end: true }, "continue"),
            ],
        ]
        .concat(),
        &[
            &so_far[..],
            &["b answer 200", "a response body 5", "b response body 2, no more", "a response body 2, no more"],
        ]
        .concat(),
    );
    // What came replaces what was held, or ends the stream.
    check(
        &chain,
        &[&begun[..], &[(Answer(1, 201), "continue")]].concat(),
        &[&so_far[..], &["b answer 201", "a response body 11"]].concat(),
    );
    check(&chain, &[&begun[..], &[(Answer(1, 403), "reply")]].concat(), &[&so_far[..], &["b answer 403"]].concat());
    check(
        &chain,
        &[&begun[..], &[(NoAnswer(1), "continue")]].concat(),
        &[&so_far[..], &["b answer no answer came", "a response body 5"]].concat(),
    );
}

#[test]
fn each_answer_goes_to_who_asked_in_whatever_order_and_resumes_nothing_else() {
    check(
        &[("a", At::AskAndPass, PASS), ("b", At::AskAndPass, PASS), ("c", At::Gather, PASS)],
        &[
            (RequestHeaders { end: false }, "pause"),
            (Answer(2, 200), "pause"),
            (NoAnswer(1), "pause"),
            (RequestBody { held: 4, end: true }, "continue"),
        ],
        &[
            "a request headers",
            "b request headers",
            "c request headers",
            "b answer 200",
            "a answer no answer came",
            "a request body 4, no more",
            "b request body 4, no more",
            "c request body 4, no more",
        ],
    );
    // The proxy answered by itself in the meantime.
    check(
        &[("a", At::Ask, PASS), ("b", PASS, PASS)],
        &[
            (RequestHeaders { end: false }, "pause"),
            (ResponseHeaders { end: false }, "continue"),
            (Call, "pause"),
            (ResponseBody { held: 2, end: true }, "continue"),
        ],
        &["a request headers", "a response headers", "a response body 2, no more"],
    );
}

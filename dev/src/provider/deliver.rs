//! Turns an answer into an HTTP response that behaves as its scenario says.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;

use super::answer::{Answer, Ask, Told};
use super::api::{Api, Refusal};
use super::scenario::{Behaviour, Ending};

/// Marks a response that must not be sent: the server ends the connection instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndConnection {
    /// By a reset (RST), not by a close (FIN).
    pub(crate) reset: bool,
}

/// What a connection fails with that is to be reset.
#[derive(Debug)]
pub(crate) struct ToldToReset;

impl std::fmt::Display for ToldToReset {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("told to reset the connection")
    }
}

impl std::error::Error for ToldToReset {}

const JSON: &str = "application/json";

/// What is written, piece by piece, and how the writing ends.
struct Script {
    content_type: &'static str,
    gzip: bool,
    /// Wait before the headers.
    before_headers: Duration,
    steps: Vec<Step>,
    end: End,
}

struct Step {
    delay: Duration,
    bytes: Vec<u8>,
}

enum End {
    Clean,
    /// Nothing more, the connection stays open.
    Stall,
    /// The connection breaks.
    Cut,
    /// The connection is reset.
    Reset,
    /// These bytes for ever, each time after this wait.
    Repeat(&'static str, Duration),
}

/// Answers a chat request.
pub(crate) async fn chat(api: &dyn Api, ask: &Ask, behaviour: Behaviour, ending: Ending) -> Response {
    let (told, chunks, delay_ms) = match &behaviour {
        Behaviour::Ok { text, reasoning, usage, chunks, delay_ms } => {
            (Told { text: text.as_deref(), reasoning: reasoning.as_deref(), usage: *usage }, *chunks, *delay_ms)
        }
        Behaviour::Gzip { text } => (Told { text: text.as_deref(), ..Told::default() }, None, 0),
        Behaviour::Slow { delay_ms } => (Told::default(), None, *delay_ms),
        _ => (Told::default(), None, 0),
    };
    let answer = Answer::to(ask, &told);
    let delay = Duration::from_millis(delay_ms);
    if !ask.stream || matches!(behaviour, Behaviour::HalfJson {}) {
        let whole = match behaviour {
            Behaviour::FailAfter { .. } => api.failed(&answer),
            _ => Some(api.whole(&answer)),
        };
        return match whole {
            Some(whole) => document(api, &whole, behaviour, ending).await,
            None => refusal(api, &api.overloaded(), ending),
        };
    }
    let pieces = answer.content.pieces(chunks);
    let events = api.events(&answer, &pieces, ask.include_usage);
    let mut before = events.opening;
    let opening = before.len();
    before.extend(events.content);
    let content_until = |chunks: usize| (opening + chunks).min(before.len());
    let (sent, closing, end) = match behaviour {
        Behaviour::StallAfter { chunks } => (content_until(chunks), vec![], End::Stall),
        Behaviour::StallBeforeEnd { events: unsent } => {
            let mut closing = events.closing;
            closing.truncate(closing.len().saturating_sub(unsent));
            (before.len(), closing, End::Stall)
        }
        Behaviour::CutAfter { chunks } => (content_until(chunks), vec![], End::Cut),
        Behaviour::ResetAfter { chunks } => (content_until(chunks), vec![], End::Reset),
        Behaviour::EndAfter { chunks } => (content_until(chunks), vec![], End::Clean),
        Behaviour::PingAfter { chunks, every_ms } => {
            (content_until(chunks), vec![], End::Repeat(": still here\n\n", Duration::from_millis(every_ms)))
        }
        Behaviour::ErrorAfter { chunks } => {
            let sent = content_until(chunks);
            (sent, vec![api.error_event(sent)], End::Clean)
        }
        Behaviour::FailAfter { chunks } => {
            let sent = content_until(chunks);
            (sent, vec![api.failed_event(&answer, sent)], End::Clean)
        }
        Behaviour::ErrorFirstEvent {} => (0, vec![api.error_event(0)], End::Clean),
        _ => (before.len(), events.closing, End::Clean),
    };
    let line_end = if matches!(behaviour, Behaviour::Crlf {}) { "\r\n" } else { "\n" };
    let steps = before[..sent].iter().chain(&closing).enumerate().map(|(number, event)| Step {
        delay: if (opening..sent).contains(&number) { delay } else { Duration::ZERO },
        bytes: api.encode(event, line_end),
    });
    let mut steps: Vec<Step> = steps.collect();
    match behaviour {
        Behaviour::DripAfter { chunks, every_ms } => {
            let rest = steps.split_off(content_until(chunks));
            steps.extend(drip(&rest, Duration::from_millis(every_ms)));
        }
        Behaviour::PingBefore { times, every_ms } => {
            steps.splice(0..0, signs(b": still here\n\n", times, every_ms));
        }
        Behaviour::Comments {} => {
            for step in &mut steps {
                let event = std::mem::take(&mut step.bytes);
                step.bytes = [b": a comment\n\n:\nid: 7\nretry: 1000\n".as_slice(), &event, b"\n\n"].concat();
            }
        }
        _ => {}
    }
    let script = Script { content_type: api.content_type(), gzip: false, before_headers: delay, steps, end };
    perform(script, behaviour, ending).await
}

/// Answers with one JSON document.
pub(crate) async fn document(api: &dyn Api, document: &Value, behaviour: Behaviour, ending: Ending) -> Response {
    let mut bytes = document.to_string().into_bytes();
    let half = bytes.len() / 2;
    let end = match behaviour {
        Behaviour::ErrorFirstEvent {} | Behaviour::ErrorAfter { .. } => {
            return refusal(api, &api.overloaded(), ending);
        }
        Behaviour::HalfJson {} | Behaviour::EndAfter { .. } => {
            bytes.truncate(half);
            End::Clean
        }
        Behaviour::StallAfter { .. } | Behaviour::StallBeforeEnd { .. } => {
            bytes.truncate(half);
            End::Stall
        }
        Behaviour::CutAfter { .. } => {
            bytes.truncate(half);
            End::Cut
        }
        Behaviour::ResetAfter { .. } => {
            bytes.truncate(half);
            End::Reset
        }
        Behaviour::PingAfter { every_ms, .. } => {
            bytes.truncate(half);
            End::Repeat(" ", Duration::from_millis(every_ms))
        }
        _ => End::Clean,
    };
    let delay = match behaviour {
        Behaviour::Ok { delay_ms, .. } | Behaviour::Slow { delay_ms } => Duration::from_millis(delay_ms),
        _ => Duration::ZERO,
    };
    let mut steps = vec![Step { delay: Duration::ZERO, bytes }];
    match behaviour {
        Behaviour::DripAfter { every_ms, .. } => steps = drip(&steps, Duration::from_millis(every_ms)),
        Behaviour::PingBefore { times, every_ms } => _ = steps.splice(0..0, signs(b" ", times, every_ms)),
        _ => {}
    }
    perform(Script { content_type: JSON, gzip: false, before_headers: delay, steps, end }, behaviour, ending).await
}

/// An error document.
pub(crate) fn refusal(api: &dyn Api, refusal: &Refusal, mut ending: Ending) -> Response {
    ending.complete();
    let mut response = Response::new(Body::from(api.error(refusal).to_string()));
    *response.status_mut() = http::StatusCode::from_u16(refusal.status).unwrap_or(http::StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(JSON));
    response
}

/// The behaviours that do not look at the request; the others are given back.
pub(crate) async fn blunt(
    api: &dyn Api,
    behaviour: Behaviour,
    mut ending: Ending,
) -> Result<Response, (Behaviour, Ending)> {
    match behaviour {
        Behaviour::Status { status, body, headers } => {
            let message = format!("The demo provider was told to answer {status}.");
            let mut response = refusal(api, &Refusal { status, message, param: None }, ending);
            match body {
                Some(Value::String(text)) => *response.body_mut() = Body::from(text),
                Some(json) => *response.body_mut() = Body::from(json.to_string()),
                None => {}
            }
            for (name, value) in headers {
                let name = http::HeaderName::try_from(name);
                if let (Ok(name), Ok(value)) = (name, http::HeaderValue::try_from(value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            Ok(response)
        }
        Behaviour::Refuse {} | Behaviour::Reset {} => {
            ending.complete();
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(EndConnection { reset: matches!(behaviour, Behaviour::Reset {}) });
            Ok(response)
        }
        // The server drops this future when the client goes away, and `ending` with it.
        Behaviour::Hang {} => std::future::pending().await,
        Behaviour::HangAfterHeaders {} => {
            let script = Script {
                content_type: api.content_type(),
                gzip: false,
                before_headers: Duration::ZERO,
                steps: vec![],
                end: End::Stall,
            };
            Ok(perform(script, Behaviour::HangAfterHeaders {}, ending).await)
        }
        Behaviour::Html {} => {
            ending.complete();
            let page =
                "<!doctype html><html><head><title>Welcome</title></head><body>This is a web page.</body></html>";
            let mut response = Response::new(Body::from(page));
            response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/html; charset=utf-8"));
            Ok(response)
        }
        other => Err((other, ending)),
    }
}

/// Plays a script: waits, writes, ends.
async fn perform(mut script: Script, behaviour: Behaviour, mut ending: Ending) -> Response {
    match behaviour {
        Behaviour::SplitEvery { bytes } => script.steps = split(&script.steps, bytes.max(1)),
        Behaviour::Gzip { .. } => {
            script.gzip = true;
            script.steps = compress(&script.steps);
        }
        _ => {}
    }
    tokio::time::sleep(script.before_headers).await;
    let mut response = Response::builder().header(CONTENT_TYPE, script.content_type);
    if script.gzip {
        response = response.header(CONTENT_ENCODING, "gzip");
    }
    // A whole document says its length, as the real providers' do; half of one that then stalls cannot.
    if script.content_type == JSON && matches!(script.end, End::Clean) {
        let length: usize = script.steps.iter().map(|step| step.bytes.len()).sum();
        response = response.header(CONTENT_LENGTH, length);
    }
    let stream = async_stream::stream! {
        let last = script.steps.len();
        for (number, step) in script.steps.into_iter().enumerate() {
            if !step.delay.is_zero() {
                tokio::time::sleep(step.delay).await;
            }
            // Said before the last piece is handed over: the server need not ask for another one.
            if number + 1 == last && matches!(script.end, End::Clean) {
                ending.complete();
            }
            yield Ok::<_, io::Error>(Bytes::from(step.bytes));
            // The server flushes when the stream has nothing ready, so each piece leaves alone.
            tokio::task::yield_now().await;
        }
        match script.end {
            End::Clean => ending.complete(),
            End::Stall => std::future::pending().await,
            End::Cut => {
                ending.complete();
                yield Err(io::Error::other("told to break off"));
            }
            End::Reset => {
                ending.complete();
                yield Err(io::Error::other(ToldToReset));
            }
            End::Repeat(sign, every) => loop {
                tokio::time::sleep(every).await;
                yield Ok(Bytes::from_static(sign.as_bytes()));
            },
        }
    };
    response.body(Body::from_stream(stream)).unwrap_or_default()
}

/// The same bytes in pieces of `size`; a delay stays with the first piece of its step.
fn split(steps: &[Step], size: usize) -> Vec<Step> {
    let bytes: Vec<u8> = steps.iter().flat_map(|step| step.bytes.iter().copied()).collect();
    bytes.chunks(size).map(|piece| Step { delay: Duration::ZERO, bytes: piece.to_vec() }).collect()
}

/// The same bytes one by one, each after this wait.
fn drip(steps: &[Step], every: Duration) -> Vec<Step> {
    split(steps, 1).into_iter().map(|step| Step { delay: every, ..step }).collect()
}

/// The same bytes so many times, each after this wait.
fn signs(sign: &'static [u8], times: usize, every_ms: u64) -> impl Iterator<Item = Step> {
    (0..times).map(move |_| Step { delay: Duration::from_millis(every_ms), bytes: sign.to_vec() })
}

/// One gzip stream over all steps, flushed after each of them.
fn compress(steps: &[Step]) -> Vec<Step> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut compressed = Vec::new();
    for step in steps {
        // Writing to a vector cannot fail.
        let _ = encoder.write_all(&step.bytes).and_then(|()| encoder.flush());
        compressed.push(Step { delay: step.delay, bytes: std::mem::take(encoder.get_mut()) });
    }
    compressed.push(Step { delay: Duration::ZERO, bytes: encoder.finish().unwrap_or_default() });
    compressed
}

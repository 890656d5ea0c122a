//! How a test tells the provider to misbehave, and what it received.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::HOST;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::Usage;

/// What the provider does with one request, as JSON: `{"type": "stall_after", "chunks": 2}`.
///
/// A chunk is one piece of the answer's content. In a stream the events before the first piece (OpenAI's role,
/// Anthropic's `message_start`) are sent first and not counted. On a request without `stream`, the behaviours that
/// break off or stall do it after half of the document, and those that send an error answer with its status. Over HTTP/2 what is
/// said to close, break or reset the connection resets the one stream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Behaviour {
    /// Answers as usual.
    Ok {
        /// Said instead of the echo.
        text: Option<String>,
        /// Shown before it as what the model thought, word by word in a stream.
        reasoning: Option<String>,
        /// Wait before each chunk, in milliseconds.
        #[serde(default)]
        delay_ms: u64,
        /// The number of chunks; word by word if it is not given.
        chunks: Option<usize>,
        /// Reported instead of the provider's own count.
        usage: Option<Usage>,
    },
    /// Answers with this status. The default body is the API's own error document.
    Status {
        /// HTTP status code.
        status: u16,
        /// A string is sent as it is; anything else as JSON.
        body: Option<Value>,
        /// Sent besides, or instead of, the usual headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Closes the connection without an answer.
    Refuse {},
    /// Resets the connection without an answer.
    Reset {},
    /// Never answers.
    Hang {},
    /// Sends status 200 and headers, then nothing.
    HangAfterHeaders {},
    /// Sends this many chunks, then nothing, and keeps the connection.
    StallAfter {
        /// Chunks sent before.
        chunks: usize,
    },
    /// Answers as usual but for the last events of a stream, then sends nothing and keeps the connection.
    StallBeforeEnd {
        /// Events that are not sent. Of chat completions, the last is `[DONE]`; of responses, `response.completed`; of messages,
        /// `message_stop`.
        events: usize,
    },
    /// Sends this many chunks, then breaks the connection.
    CutAfter {
        /// Chunks sent before.
        chunks: usize,
    },
    /// Sends this many chunks, then resets the connection.
    ResetAfter {
        /// Chunks sent before.
        chunks: usize,
    },
    /// Sends this many chunks and ends cleanly, without the events that say how the answer ended.
    EndAfter {
        /// Chunks sent before.
        chunks: usize,
    },
    /// Sends this many chunks, and the rest byte by byte. A whole document comes byte by byte from its beginning.
    DripAfter {
        /// Chunks sent before.
        chunks: usize,
        /// Wait before each byte, in milliseconds.
        every_ms: u64,
    },
    /// Sends this many chunks, then only signs of life, for ever: comments in a stream, blanks after half of a document.
    PingAfter {
        /// Chunks sent before.
        chunks: usize,
        /// Wait before each sign, in milliseconds.
        every_ms: u64,
    },
    /// Status 200 with an error as the stream's first event.
    ErrorFirstEvent {},
    /// Sends this many chunks, then an error event, and ends.
    ErrorAfter {
        /// Chunks sent before.
        chunks: usize,
    },
    /// Sends this many chunks, then the event by which the API says that an answer failed, and ends. Responses have one of their
    /// own, and a whole response that failed has status 200; of the other APIs it is the error.
    FailAfter {
        /// Chunks sent before.
        chunks: usize,
    },
    /// Status 200 with an HTML page.
    Html {},
    /// Status 200 with the first half of the document, cleanly ended (whole answers, also where a stream was asked).
    HalfJson {},
    /// Answers as usual, in writes of this many bytes, wherever that splits.
    SplitEvery {
        /// At least 1.
        bytes: usize,
    },
    /// Answers as usual, compressed, whatever the request accepts.
    Gzip {
        /// Said instead of the echo.
        #[serde(default)]
        text: Option<String>,
    },
    /// Answers as usual, its events with CRLF line ends.
    Crlf {},
    /// Answers as usual, its stream with comments, fields that nobody reads and empty lines between the events.
    Comments {},
    /// Sends headers and signs of life for a while, as [`Behaviour::PingAfter`] does, then answers as usual.
    PingBefore {
        /// Signs sent before.
        times: usize,
        /// Wait before each sign, in milliseconds.
        every_ms: u64,
    },
    /// Answers as usual, with this wait before the headers and before each chunk, in milliseconds.
    Slow {
        /// 200 if it is not given.
        #[serde(default = "slow_delay_ms")]
        delay_ms: u64,
    },
}

fn slow_delay_ms() -> u64 {
    200
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour::Ok { text: None, reasoning: None, delay_ms: 0, chunks: None, usage: None }
    }
}

/// Body of `POST /_control/scenarios`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewScenario {
    /// One for each request, in order; the last one repeats. None: every request is answered as usual.
    #[serde(default)]
    pub responses: Vec<Behaviour>,
    /// Where the API begins, below the scenario's prefix: `/v1`, or what else a base URL is to end in.
    #[serde(default = "version")]
    pub version: String,
}

fn version() -> String {
    VERSION.to_owned()
}

/// Where the official clients' APIs begin.
pub(crate) const VERSION: &str = "/v1";

/// A request that a scenario received.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// HTTP version, for example `HTTP/2.0`.
    pub version: String,
    /// Whom it was meant for: HTTP/2's `:authority`, or the header `host`.
    pub authority: String,
    /// HTTP method.
    pub method: String,
    /// Path and query, without the scenario's prefix.
    pub path: String,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// Time of arrival: milliseconds since 1970 UTC.
    pub at: u64,
    /// What became of the answer.
    pub finished: Finished,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finished {
    /// Everything that the behaviour sends was sent, also where it ends in a break.
    Complete,
    /// The client closed the connection before that.
    ClientGone,
    /// Still under way.
    Open,
}

/// Requests kept for each scenario; older ones are dropped.
const MAX_RECEIVED: usize = 10_000;

/// All scenarios of a running provider.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scenarios(Arc<Mutex<HashMap<String, Scenario>>>);

#[derive(Debug, Default)]
struct Scenario {
    responses: Vec<Behaviour>,
    version: String,
    /// Number of requests that came before the first of `received`.
    dropped: usize,
    received: VecDeque<Received>,
}

impl Scenarios {
    /// Adds a scenario and answers its id.
    pub(crate) fn add(&self, scenario: NewScenario) -> String {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = format!("{}", all.len() + 1);
        all.insert(
            id.clone(),
            Scenario { responses: scenario.responses, version: scenario.version, ..Scenario::default() },
        );
        id
    }

    /// What the scenario received so far; `None` if there is no such scenario.
    pub(crate) fn received(&self, id: &str) -> Option<Vec<Received>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id).map(|scenario| scenario.received.iter().cloned().collect())
    }

    /// Records a request; answers its behaviour, where the API begins, and the record of its end.
    pub(crate) fn begin(&self, id: &str, request: &Parts, body: &[u8]) -> Option<(Behaviour, String, Ending)> {
        let Parts { method, uri, version, headers, .. } = request;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let scenario = all.get_mut(id)?;
        let number = scenario.dropped + scenario.received.len();
        let behaviour = scenario.responses.get(number).or(scenario.responses.last()).cloned().unwrap_or_default();
        if scenario.received.len() == MAX_RECEIVED {
            scenario.received.pop_front();
            scenario.dropped += 1;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let host = headers.get(HOST).map(|host| text(host.as_bytes()));
        let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
        scenario.received.push_back(Received {
            version: format!("{version:?}"),
            authority: uri.authority().map(ToString::to_string).or(host).unwrap_or_default(),
            method: method.to_string(),
            path: path.strip_prefix(&format!("/s/{id}")).unwrap_or(path).to_owned(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
            body: text(body),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64),
            finished: Finished::Open,
        });
        Some((behaviour, scenario.version.clone(), Ending { scenarios: Some((self.clone(), id.to_owned(), number)) }))
    }

    fn finish(&self, id: &str, number: usize, finished: Finished) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(scenario) = all.get_mut(id) else { return };
        let index = number.checked_sub(scenario.dropped);
        if let Some(received) = index.and_then(|index| scenario.received.get_mut(index)) {
            received.finished = finished;
        }
    }
}

/// Travels with an answer and records how it ended: dropping it early means that the client went away.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// `None`: nobody asked for a record, or it is made.
    scenarios: Option<(Scenarios, String, usize)>,
}

impl Ending {
    /// Everything was handed to the connection.
    pub(crate) fn complete(&mut self) {
        self.record(Finished::Complete);
    }

    fn record(&mut self, finished: Finished) {
        if let Some((scenarios, id, number)) = self.scenarios.take() {
            scenarios.finish(&id, number, finished);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.record(Finished::ClientGone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(scenarios: &Scenarios, id: &str) -> (Behaviour, String, Ending) {
        let (request, ()) = http::Request::get("/s/1/v1/models?limit=1").body(()).unwrap().into_parts();
        scenarios.begin(id, &request, b"").unwrap()
    }

    #[test]
    fn behaviours_follow_in_order_and_the_last_repeats() {
        let scenarios = Scenarios::default();
        let responses = r#"{"responses": [{"type": "status", "status": 503}, {"type": "cut_after", "chunks": 2}]}"#;
        let id = scenarios.add(serde_json::from_str(responses).unwrap());
        let first = Behaviour::Status { status: 503, body: None, headers: BTreeMap::new() };
        let second = Behaviour::CutAfter { chunks: 2 };
        for expected in [first, second.clone(), second] {
            assert_eq!(begin(&scenarios, &id).0, expected);
        }
        let usual = scenarios.add(NewScenario { responses: vec![], version: version() });
        assert_eq!(begin(&scenarios, &usual).0, Behaviour::default());
    }

    #[test]
    fn a_misspelt_behaviour_is_refused() {
        for wrong in [r#"{"type": "okay"}"#, r#"{"type": "ok", "delay": 5}"#, r#"{"type": "hang", "chunks": 1}"#] {
            assert!(serde_json::from_str::<Behaviour>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_end_of_an_answer_is_recorded() {
        let scenarios = Scenarios::default();
        let id = scenarios.add(NewScenario { responses: vec![], version: version() });
        let (_, _, mut complete) = begin(&scenarios, &id);
        let (_, _, gone) = begin(&scenarios, &id);
        let (_, _, _open) = begin(&scenarios, &id);
        complete.complete();
        drop((complete, gone));
        let received = scenarios.received(&id).unwrap();
        let ends: Vec<_> = received.iter().map(|received| received.finished).collect();
        assert_eq!(ends, [Finished::Complete, Finished::ClientGone, Finished::Open]);
        assert_eq!((received[0].version.as_str(), received[0].path.as_str()), ("HTTP/1.1", "/v1/models?limit=1"));
        assert!(scenarios.received("2").is_none());
    }
}

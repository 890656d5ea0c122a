use axum::body::Bytes;
use futures::StreamExt as _;
use tokio::runtime::{Builder, Runtime};
use weir_dev::provider::{Behaviour, answer_unconnected};
use weir_test_proxy::{Answer, End, Provider, Sent};

/// The demo provider, told to behave like this on every request, and what it got.
#[derive(Debug)]
pub struct Upstream {
    behaviour: Behaviour,
    runtime: Runtime,
    /// The requests so far.
    pub received: Vec<Sent>,
    /// How an answer ends that is not broken off. Alone, as Envoy has it where nobody said how long the body is, unless told otherwise.
    pub end: End,
    /// What happens to the bytes of an answer on their way.
    pub change: Option<fn(&mut Vec<u8>)>,
}

impl Upstream {
    pub(crate) fn new(behaviour: serde_json::Value) -> Self {
        Self {
            behaviour: serde_json::from_value(behaviour).expect("a behaviour of the demo provider"),
            runtime: Builder::new_current_thread().enable_time().build().expect("a runtime"),
            received: Vec::new(),
            end: End::Alone,
            change: None,
        }
    }

    /// The only request that it got.
    ///
    /// # Panics
    /// If there was none, or several.
    pub fn only(&self) -> &Sent {
        assert_eq!(self.received.len(), 1, "requests");
        &self.received[0]
    }
}

impl Provider for Upstream {
    fn answer(&mut self, sent: &Sent) -> Option<Answer> {
        self.received.push(sent.clone());
        let mut request = http::Request::builder();
        for (name, value) in &sent.headers {
            request = match name.as_str() {
                ":method" => request.method(value.as_slice()),
                ":path" => request.uri(value.as_slice()),
                name if name.starts_with(':') => request,
                name => request.header(name, value.as_slice()),
            };
        }
        let request = request.body(Bytes::from(sent.body.clone())).expect("a request");
        let mut answer = self.runtime.block_on(played(request, self.behaviour.clone(), self.end))?;
        if let Some(change) = self.change {
            let mut bytes = answer.pieces.concat();
            change(&mut bytes);
            answer.pieces = vec![bytes];
        }
        Some(answer)
    }
}

async fn played(request: http::Request<Bytes>, behaviour: Behaviour, end: End) -> Option<Answer> {
    let response = answer_unconnected(request, behaviour).await?;
    let (parts, body) = response.into_parts();
    let mut headers = vec![(":status".to_owned(), parts.status.as_str().as_bytes().to_vec())];
    headers.extend(parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())));
    let mut answer = Answer { headers, pieces: Vec::new(), end };
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(bytes) => answer.pieces.push(bytes.to_vec()),
            Err(_) => {
                answer.end = End::Broken;
                break;
            }
        }
    }
    if answer.pieces.is_empty() && answer.end == End::Alone {
        answer.end = End::WithLastPiece;
    }
    Some(answer)
}

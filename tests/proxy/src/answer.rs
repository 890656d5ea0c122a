use std::fmt::Debug;

use weir_host::fake::Header;

/// A request as a provider gets it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// In their order, lower-case names.
    pub headers: Vec<Header>,
    /// All of it.
    pub body: Vec<u8>,
}

/// What a provider sends back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `:status` among them.
    pub headers: Vec<Header>,
    /// The body as it comes off the wire. None at all: there is no body.
    pub pieces: Vec<Vec<u8>>,
    /// How it ends.
    pub end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last piece, or with the headers if there is none.
    WithLastPiece,
    /// With an empty piece of its own.
    Alone,
    /// With trailers.
    WithTrailers,
    /// The connection breaks.
    Broken,
    /// Nothing more comes, until a time-out of the route's ends it.
    Silent,
}

/// Whoever answers the attempts on one endpoint.
pub trait Provider: Debug {
    /// The answer to one request. `None`: the connection breaks before any answer.
    fn answer(&mut self, sent: &Sent) -> Option<Answer>;
}

impl Sent {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Answer {
    /// With this status, type and body, whole.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![(":status".into(), status.to_string().into()), ("content-type".into(), content_type.into())];
        Self { headers, pieces: vec![body.into()], end: End::WithLastPiece }
    }
}

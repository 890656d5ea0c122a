use weir_host::fake::Header;

/// What a client gets.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// `:status` among them.
    pub headers: Vec<Header>,
    /// The body as it was let go.
    pub pieces: Vec<Vec<u8>>,
    /// How it ended.
    pub ended: Ended,
}

/// How an answer ended for its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// As HTTP says that an answer is whole.
    Whole,
    /// By a break.
    Broken,
    /// Not yet: somebody holds the request or the answer.
    #[default]
    Open,
}

impl Received {
    /// The status; 0 without an answer.
    pub fn status(&self) -> u16 {
        self.header(":status").and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// All of the body, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.pieces.concat()).into_owned()
    }

    /// The body, parsed.
    ///
    /// # Panics
    /// If it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// How far one message is on its way through the filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passage {
    headers: Headers,
    /// Its headers are here.
    pub(crate) has_begun: bool,
    /// The filter that holds the message, if one does.
    holder: Option<usize>,
    /// There is nothing behind the headers.
    pub(crate) ends_with_headers: bool,
    /// Some of the body, or its end, is here.
    pub(crate) has_body: bool,
    /// The body's end is here.
    pub(crate) is_whole: bool,
    /// Bytes of the body that the proxy holds.
    pub(crate) held: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Headers {
    /// On their way, or not here yet.
    #[default]
    Passing,
    /// Held by this filter.
    HeldAt(usize),
    /// Past the last filter.
    Through,
}

impl Passage {
    pub(crate) fn begun(ends_with_headers: bool) -> Self {
        Self { has_begun: true, ends_with_headers, ..Self::default() }
    }

    pub(crate) fn headers_go_on(&mut self) {
        self.headers = Headers::Passing;
        self.holder = None;
    }

    pub(crate) fn headers_through(&mut self) {
        self.headers = Headers::Through;
    }

    pub(crate) fn hold_headers(&mut self, index: usize) {
        self.headers = Headers::HeldAt(index);
        self.holder = Some(index);
    }

    pub(crate) fn holds_headers_at(&self, index: usize) -> bool {
        self.headers == Headers::HeldAt(index)
    }

    pub(crate) fn hold_body(&mut self, index: usize) {
        self.holder = Some(index);
    }

    pub(crate) fn let_go(&mut self) {
        self.holder = None;
    }

    pub(crate) fn held_at(&self) -> Option<usize> {
        self.holder
    }

    pub(crate) fn receive(&mut self, held: usize, end_of_stream: bool) {
        self.has_body = true;
        self.held = held;
        self.is_whole = end_of_stream;
    }
}

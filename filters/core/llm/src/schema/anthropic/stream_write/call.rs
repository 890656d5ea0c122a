use super::object::Object;

/// How far a call has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Its name is not known yet.
    #[default]
    Nameless,
    /// It waits for its turn.
    Held,
    /// It is being written.
    Open,
    /// Its block has ended.
    Written,
}

/// A call of a stream.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: State,
    /// What was not written yet.
    pub(super) arguments: String,
    json: Json,
    object: Object,
    ended: bool,
}

/// How far the arguments have come.
#[derive(Clone, Copy, Debug, Default)]
struct Json {
    begun: bool,
    is_object: bool,
    depth: u64,
    in_string: bool,
    escaped: bool,
    complete: bool,
}

impl Call {
    /// Notes what the provider says of the call. Answers whether its name became known now.
    pub(super) fn begin(&mut self, id: &str, name: &str) -> bool {
        if self.state != State::Nameless {
            return false;
        }
        if self.id.is_empty() {
            self.id.push_str(id);
        }
        self.name.push_str(name);
        !self.name.is_empty()
    }

    /// Takes in a piece of the arguments.
    pub(super) fn push(&mut self, json: &str) {
        self.json.push(json);
        match self.json.is_object {
            true => self.object.push(json, &mut self.arguments),
            false => self.arguments.push_str(json),
        }
    }

    /// Bytes that were not written yet.
    pub(super) fn held(&self) -> usize {
        self.id
            .len()
            .saturating_add(self.name.len())
            .saturating_add(self.arguments.len())
            .saturating_add(self.object.held())
    }

    /// What makes arguments whole that begin as an object does; `None`: they do not.
    pub(super) fn rest_of_object(&mut self, is_cut_off: bool) -> Option<String> {
        self.json.is_object.then(|| self.object.rest(is_cut_off))
    }

    /// No more arguments follow.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether no more arguments are to be expected.
    pub(super) fn is_whole(&self) -> bool {
        self.ended || self.json.complete
    }

    /// What was not written yet of arguments that begin as an object does.
    pub(super) fn take_object(&mut self) -> Option<String> {
        (self.json.is_object && !self.arguments.is_empty()).then(|| std::mem::take(&mut self.arguments))
    }
}

impl Json {
    fn push(&mut self, json: &str) {
        for byte in json.bytes() {
            if self.complete {
                return;
            }
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.complete = self.depth == 0;
                }
                _ => {}
            }
            if !self.begun {
                self.begun = true;
                self.is_object = byte == b'{';
            }
        }
    }
}

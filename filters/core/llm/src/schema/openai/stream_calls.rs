use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::error::ProviderError;
use crate::stream::Delta;

/// The most calls of one stream; more are no answer of a model's.
const MOST_CALLS: usize = 16_384;
/// The most bytes of their ids and names, which are kept.
const MOST_NAME_BYTES: usize = 1024 * 1024;
/// The most bytes of arguments, or of text, that wait for what must come first.
const MOST_HELD_BYTES: usize = 64 * 1024;

/// `null` and some white space.
const MOST_NULL_BYTES: usize = 16;

/// One piece of a call, as a chunk has it.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    pub(super) choice: u32,
    pub(super) index: Option<u32>,
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) arguments: Option<Cow<'a, str>>,
}

/// The calls of a stream: which piece belongs to which.
///
/// A call is known by its id, else by its index, else by following the last piece. Servers differ: some give all calls one index, some
/// none, some repeat id and name in every chunk, some give the name after the id or in pieces.
///
/// Where another schema follows, a call is emitted with its first arguments, when its name is whole, and text that stands between the pieces of a call's
/// arguments follows them: in other schemas one thing ends before the next begins.
#[derive(Debug)]
pub(super) struct Calls {
    translated: bool,
    calls: Vec<Call>,
    by_index: BTreeMap<(u32, u32), usize>,
    by_id: BTreeMap<(u32, String), usize>,
    last: BTreeMap<u32, usize>,
    /// Calls that wait for their name or arguments.
    pending: BTreeSet<usize>,
    /// Bytes of all ids and names.
    name_bytes: usize,
    /// Bytes of arguments that wait.
    held_bytes: usize,
    /// The call emitted last.
    emitted: Option<usize>,
    text: HeldText,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    name: String,
    has_own_id: bool,
    has_index: bool,
    is_emitted: bool,
    /// Arguments that wait.
    held: String,
    shape: Shape,
}

/// Text behind the beginning of a call.
#[derive(Debug, Default)]
struct HeldText {
    /// Waits for the end of the call's arguments.
    waiting: Vec<(Kind, String)>,
    bytes: usize,
    /// White space behind a call, which counts only if text follows.
    blank: String,
    /// Text has followed the last call.
    begun: bool,
}

/// Which delta a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Thinking,
}

impl Kind {
    pub(super) fn delta(self, text: Cow<'_, str>) -> Delta<'_> {
        match self {
            Self::Text => Delta::Text(text),
            Self::Refusal => Delta::Refusal(text),
            Self::Thinking => Delta::Thinking(text),
        }
    }
}

impl Calls {
    pub(super) fn new(translated: bool) -> Self {
        Self {
            translated,
            calls: Vec::new(),
            by_index: BTreeMap::new(),
            by_id: BTreeMap::new(),
            last: BTreeMap::new(),
            pending: BTreeSet::new(),
            name_bytes: 0,
            held_bytes: 0,
            emitted: None,
            text: HeldText::default(),
        }
    }

    /// Whether the stream has any.
    pub(super) fn any(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Takes in a piece of a call.
    pub(super) fn piece<'a>(&mut self, piece: Piece<'a>, deltas: &mut Vec<Delta<'a>>) -> Result<(), ProviderError> {
        if piece.id.is_none() && piece.name.is_none() && piece.arguments.is_none() {
            return Ok(());
        }
        let Some(at) = self.call_of(&piece).filter(|_| self.name_bytes <= MOST_NAME_BYTES) else {
            if self.translated {
                return Err(ProviderError::protocol("the provider's stream has too many tool calls"));
            }
            deltas.push(Delta::Opaque);
            return Ok(());
        };
        self.last.insert(piece.choice, at);
        if let Some(index) = piece.index {
            self.by_index.insert((piece.choice, index), at);
        }
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        call.has_index |= piece.index.is_some();
        if let Some(id) = piece.id.filter(|_| call.id.is_empty()) {
            self.name_bytes = self.name_bytes.saturating_add(id.len());
            // An id that stands twice is nobody's own: the writer makes one.
            let is_own = self.by_id.insert((piece.choice, id.clone().into_owned()), at).is_none();
            call.has_own_id = is_own;
            call.id = id.into_owned();
        }
        if !call.is_emitted
            && let Some(name) = piece.name.filter(|name| *name != call.name)
        {
            self.name_bytes = self.name_bytes.saturating_add(name.len());
            call.name.push_str(&name);
        }
        if let Some(arguments) = &piece.arguments {
            call.shape.push(arguments);
        }
        if call.is_emitted {
            deltas.extend(piece.arguments.map(|json| Delta::Arguments { key: key(at), json }));
        } else {
            // White space before the JSON says nothing.
            let arguments = piece.arguments.as_deref().filter(|_| call.shape.has_begun).unwrap_or_default();
            call.held.push_str(arguments);
            self.held_bytes = self.held_bytes.saturating_add(arguments.len());
            if !self.translated || call.is_ready() || self.held_bytes > MOST_HELD_BYTES {
                self.emit(at, deltas)?;
            }
        }
        if self.translated && !self.is_open() {
            self.text.release(deltas);
        }
        Ok(())
    }

    /// Takes in a piece of text, which must not come between a call and its arguments.
    pub(super) fn text<'a>(&mut self, kind: Kind, text: Cow<'a, str>, deltas: &mut Vec<Delta<'a>>) {
        if text.is_empty() {
            return;
        }
        if !self.translated || self.emitted.is_none() {
            return deltas.push(kind.delta(text));
        }
        if !self.text.begun && text.trim().is_empty() {
            if self.text.blank.len().saturating_add(text.len()) <= MOST_HELD_BYTES {
                self.text.blank.push_str(&text);
            }
            return;
        }
        self.text.begun = true;
        let blank = std::mem::take(&mut self.text.blank);
        let text = if blank.is_empty() { text } else { Cow::Owned(blank + &text) };
        if !self.is_open() {
            return deltas.push(kind.delta(text));
        }
        self.text.hold(kind, &text);
        if self.text.bytes > MOST_HELD_BYTES {
            self.text.release(deltas);
        }
    }

    /// The answer ends: what waited is emitted.
    pub(super) fn end(&mut self, deltas: &mut Vec<Delta<'_>>) -> Result<(), ProviderError> {
        self.text.release(deltas);
        for at in std::mem::take(&mut self.pending) {
            self.emit(at, deltas)?;
        }
        Ok(())
    }

    /// The call that a piece belongs to; a new one where it is of none. `None`: there are too many.
    fn call_of(&mut self, piece: &Piece<'_>) -> Option<usize> {
        let choice = piece.choice;
        let at_index = piece.index.and_then(|index| self.by_index.get(&(choice, index)).copied());
        let of_id = piece.id.as_ref().and_then(|id| self.by_id.get(&(choice, id.clone().into_owned())).copied());
        let last = self.last.get(&choice).copied();
        let known = match (&piece.id, at_index) {
            (Some(id), Some(at)) => match self.calls.get(at) {
                Some(call) if call.id == *id => Some(at),
                Some(call) if call.id.is_empty() && !call.shape.is_complete => Some(at),
                // One index for several calls: each has its id.
                _ => of_id,
            },
            // The same id at another index is another call.
            (Some(_), None) if of_id.is_some() => {
                of_id.filter(|at| piece.index.is_none() || self.calls.get(*at).is_some_and(|call| !call.has_index))
            }
            (Some(_), None) if piece.index.is_none() => last.filter(|at| {
                self.calls
                    .get(*at)
                    .is_some_and(|call| call.id.is_empty() && call.held.is_empty() && !call.shape.has_begun)
            }),
            (Some(_), None) => None,
            (None, Some(at)) => Some(at).filter(|at| !self.begins_anew(*at, piece)),
            (None, None) if piece.index.is_none() => last.filter(|at| !self.begins_anew(*at, piece)),
            (None, None) => None,
        };
        known.or_else(|| self.begin())
    }

    /// Whether a piece without an id begins another call than this, which may be whole already.
    fn begins_anew(&self, at: usize, piece: &Piece<'_>) -> bool {
        let (Some(call), Some(name)) = (self.calls.get(at), &piece.name) else { return false };
        let has_arguments = piece.arguments.as_ref().is_some_and(|json| !json.trim().is_empty());
        // Without an index a name in pieces cannot be told from two calls.
        let another = piece.index.is_none() && !call.name.is_empty() && call.name != *name;
        another || (call.shape.is_complete && has_arguments)
    }

    fn begin(&mut self) -> Option<usize> {
        let at = self.calls.len();
        if at >= MOST_CALLS {
            return None;
        }
        self.calls.push(Call::default());
        self.pending.insert(at);
        Some(at)
    }

    fn emit(&mut self, at: usize, deltas: &mut Vec<Delta<'_>>) -> Result<(), ProviderError> {
        self.pending.remove(&at);
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if self.translated && call.name.is_empty() {
            // An empty place in the list is no call.
            return match call.id.is_empty() && call.held.trim().is_empty() {
                true => Ok(()),
                false => Err(ProviderError::protocol("the provider's stream has a tool call without a name")),
            };
        }
        self.text.release(deltas);
        self.text.begun = false;
        self.text.blank.clear();
        call.is_emitted = true;
        self.emitted = Some(at);
        deltas.push(Delta::ToolCall {
            key: key(at),
            id: if call.has_own_id { call.id.clone() } else { String::new() }.into(),
            name: call.name.clone().into(),
        });
        let held = std::mem::take(&mut call.held);
        self.held_bytes = self.held_bytes.saturating_sub(held.len());
        let says_something = if self.translated { !matches!(held.trim(), "" | "null") } else { !held.is_empty() };
        if says_something {
            deltas.push(Delta::Arguments { key: key(at), json: held.into() });
        }
        Ok(())
    }

    /// Whether the arguments of the call emitted last go on.
    fn is_open(&self) -> bool {
        self.emitted
            .and_then(|at| self.calls.get(at))
            .is_some_and(|call| call.shape.has_begun && !call.shape.is_complete)
    }
}

impl Call {
    /// Its name is whole, since its arguments have begun. `null`, which means none, may come in pieces.
    fn is_ready(&self) -> bool {
        let may_be_null = self.held.len() <= MOST_NULL_BYTES && "null".starts_with(self.held.trim());
        !self.name.is_empty() && !may_be_null
    }
}

impl HeldText {
    fn hold(&mut self, kind: Kind, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len());
        match self.waiting.last_mut() {
            Some((last, held)) if *last == kind => held.push_str(text),
            _ => self.waiting.push((kind, text.to_owned())),
        }
    }

    fn release(&mut self, deltas: &mut Vec<Delta<'_>>) {
        self.bytes = 0;
        deltas.extend(self.waiting.drain(..).map(|(kind, text)| kind.delta(Cow::Owned(text))));
    }
}

/// How far a JSON text has come, each byte looked at once.
#[derive(Debug, Default)]
struct Shape {
    depth: usize,
    in_string: bool,
    escaped: bool,
    has_begun: bool,
    is_complete: bool,
}

impl Shape {
    fn push(&mut self, json: &str) {
        for byte in json.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
            self.has_begun = true;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                self.is_complete = !self.in_string && self.depth == 0;
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_complete = self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

fn key(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

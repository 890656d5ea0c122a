//! Server-sent events: one framer for every stream that Weir reads.
//!
//! It takes what providers really send: lines that end with LF, CRLF or a lone CR, comments, data in several lines, a byte
//! order mark, characters split over two chunks. Blocks without data (comments, keep-alives) are events too, with empty
//! `data`, so that a reader can pass every byte on.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

use crate::json::span_in;
use crate::steps;

/// The largest event that is held, in bytes.
pub const MOST_EVENT_BYTES: usize = 1 << 20;

/// One block of lines up to and with its blank line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The value of the last `event` field; empty if there is none.
    pub event: &'a str,
    /// The values of the `data` fields, joined with LF; empty if there is none. What is no UTF-8 is U+FFFD here.
    pub data: &'a str,
    /// The block as it came, blank line included.
    pub raw: &'a [u8],
}

impl Event<'_> {
    /// Where the data stands in `raw`, if it stands there in one piece.
    pub fn data_span(&self) -> Option<Range<usize>> {
        span_in(self.raw, self.data)
    }

    /// Appends this event with other data. Data in one piece is replaced in place; else the event is written anew.
    pub fn write_with_data(&self, data: &str, out: &mut Vec<u8>) {
        let in_place = self
            .data_span()
            .filter(|span| !span.is_empty())
            .and_then(|span| Some((self.raw.get(..span.start)?, self.raw.get(span.end..)?)));
        match in_place {
            Some((before, after)) => {
                out.extend_from_slice(before);
                out.extend_from_slice(data.as_bytes());
                out.extend_from_slice(after);
            }
            None => write_event(self.event, data, out),
        }
    }
}

/// Appends an event; without a name it is a bare `data` event. Data may have several lines.
pub fn write_event(event: &str, data: &str, out: &mut Vec<u8>) {
    if !event.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    for line in data.split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// A stream that cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// One event is larger than the bound.
    #[error("an event of the stream is larger than {most_bytes} bytes")]
    EventTooLarge {
        /// The bound in bytes.
        most_bytes: usize,
    },
}

/// Cuts a stream of bytes into events, whatever the chunks they come in.
#[derive(Debug)]
pub struct Framer {
    most_bytes: usize,
    /// The beginning of an event whose end has not come.
    tail: Vec<u8>,
    /// How far the tail was searched for line ends.
    searched: usize,
    /// Where in the tail the current line begins.
    line_start: usize,
    at_stream_start: bool,
    failed: Option<FrameError>,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(MOST_EVENT_BYTES)
    }
}

impl Framer {
    /// A framer that holds events of up to so many bytes.
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, tail: Vec::new(), searched: 0, line_start: 0, at_stream_start: true, failed: None }
    }

    /// Calls `each` for every event that these bytes complete. Bytes are searched once and only an unfinished event is kept.
    ///
    /// A CR at the very end of a chunk waits for the next byte: it may be half a CRLF.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) -> Result<(), FrameError> {
        if self.tail.is_empty() {
            return self
                .cut(bytes, each)
                .map(|rest| self.tail.extend_from_slice(bytes.get(rest..).unwrap_or_default()));
        }
        let mut held = std::mem::take(&mut self.tail);
        held.extend_from_slice(bytes);
        let rest = self.cut(&held, each)?;
        held.drain(..rest.min(held.len()));
        self.tail = held;
        Ok(())
    }

    /// The stream ended: an event without its blank line is still one, if it has data.
    pub fn finish(&mut self, each: &mut dyn FnMut(Event<'_>)) -> Result<(), FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let held = std::mem::take(&mut self.tail);
        (self.searched, self.line_start) = (0, 0);
        if !held.is_empty() {
            dispatch(&held, std::mem::take(&mut self.at_stream_start), each);
        }
        Ok(())
    }

    /// Gives out whole events and answers where the unfinished one begins.
    fn cut(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) -> Result<usize, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        steps::count(bytes.len().saturating_sub(self.searched));
        let mut start = 0;
        let mut at = self.searched;
        let mut line_start = self.line_start;
        let mut searched = bytes.len();
        while let Some(end) = bytes.get(at..).and_then(|rest| memchr2(b'\n', b'\r', rest)).map(|found| at + found) {
            let next = match (bytes.get(end), bytes.get(end + 1)) {
                (Some(b'\r'), None) => {
                    searched = end;
                    break;
                }
                (Some(b'\r'), Some(b'\n')) => end + 2,
                _ => end + 1,
            };
            if end == line_start {
                if next - start > self.most_bytes {
                    return Err(self.too_large());
                }
                let first = std::mem::take(&mut self.at_stream_start);
                dispatch(bytes.get(start..next).unwrap_or_default(), first, each);
                start = next;
            }
            line_start = next;
            at = next;
        }
        if bytes.len() - start > self.most_bytes {
            return Err(self.too_large());
        }
        self.searched = searched - start;
        self.line_start = line_start - start;
        Ok(start)
    }

    fn too_large(&mut self) -> FrameError {
        let error = FrameError::EventTooLarge { most_bytes: self.most_bytes };
        self.failed = Some(error);
        error
    }
}

fn dispatch(raw: &[u8], at_stream_start: bool, each: &mut dyn FnMut(Event<'_>)) {
    steps::count(raw.len());
    let text = raw.strip_prefix(b"\xef\xbb\xbf").filter(|_| at_stream_start).unwrap_or(raw);
    let mut event: &[u8] = b"";
    let mut first_data: Option<&[u8]> = None;
    let mut joined: Option<Vec<u8>> = None;
    let mut rest = Some(text);
    while let Some(lines) = rest {
        let line = match memchr2(b'\n', b'\r', lines) {
            Some(end) => {
                rest = lines.get(end + 1..);
                lines.get(..end).unwrap_or_default()
            }
            None => {
                rest = None;
                lines
            }
        };
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default()),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match (field, first_data, &mut joined) {
            (b"event", _, _) => event = value,
            (b"data", None, _) => first_data = Some(value),
            (b"data", Some(_), Some(joined)) => {
                joined.push(b'\n');
                joined.extend_from_slice(value);
            }
            (b"data", Some(first), None) => joined = Some([first, b"\n", value].concat()),
            _ => {}
        }
    }
    let data = as_text(joined.as_deref().or(first_data).unwrap_or_default());
    each(Event { event: &as_text(event), data: &data, raw });
}

/// What is no UTF-8 becomes U+FFFD. Nearly all of it is, which is quick to see.
fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

#[cfg(test)]
mod tests;

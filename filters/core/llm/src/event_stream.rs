//! Amazon's event stream: binary messages, each with its length, headers, a payload and two checksums.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | length of the whole message |
//! | 4 | length of its headers |
//! | 4 | CRC-32 of the 8 bytes before |
//! | … | headers: length of the name (1 byte), name, type of the value (1 byte), value |
//! | … | payload |
//! | 4 | CRC-32 of all before |
//!
//! A message becomes an [`Event`] whose data is an object with one field: `{"contentBlockDelta":{…}}`, named by the message's type, as
//! the service's own model has it (botocore, `ConverseStreamOutput`). An exception is one too, under its name.

use crate::json::write_string;
use crate::sse::{Event, MOST_EVENT_BYTES};
use crate::steps;

/// Lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end.
const CHECKSUM_BYTES: usize = 4;
/// The least message: no headers, no payload.
const LEAST_BYTES: usize = PRELUDE_BYTES + CHECKSUM_BYTES;

/// A stream that cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventStreamError {
    /// A message says a length that none can have, or that is not held.
    #[error("a message of the stream says that it has {said_bytes} bytes, which none may have")]
    Length {
        /// What it says.
        said_bytes: u32,
    },
    /// A checksum is not that of the bytes before it.
    #[error("a message of the stream has a wrong checksum")]
    Checksum,
    /// Its headers are no headers, or its payload is no text.
    #[error("a message of the stream cannot be read")]
    Malformed,
    /// The stream ended within a message.
    #[error("the stream ended within a message")]
    Truncated,
}

/// Cuts a stream of bytes into events, whatever the chunks they come in. Of an unfinished message alone something is kept, and never more
/// than it may have.
#[derive(Debug, Default)]
pub(crate) struct EventStreamFramer {
    held: Vec<u8>,
    /// Of the held message, once its prelude is here and right.
    length: Option<usize>,
    failed: Option<EventStreamError>,
}

impl EventStreamFramer {
    /// Calls `each` for every message that these bytes complete.
    pub(crate) fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) -> Result<(), EventStreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut rest = bytes;
        let taken = loop {
            match self.take(&mut rest, each) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.failed = taken.err();
        taken
    }

    /// The stream ended.
    pub(crate) fn finish(&mut self) -> Result<(), EventStreamError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.held.is_empty() => Ok(()),
            None => Err(EventStreamError::Truncated),
        }
    }

    /// Takes what one message lacks; answers whether it is whole then.
    fn take(&mut self, rest: &mut &[u8], each: &mut dyn FnMut(Event<'_>)) -> Result<bool, EventStreamError> {
        if self.length.is_none() {
            self.hold_up_to(PRELUDE_BYTES, rest);
            if self.held.len() < PRELUDE_BYTES {
                return Ok(false);
            }
            self.length = Some(read_prelude(&self.held)?);
        }
        let length = self.length.unwrap_or(LEAST_BYTES);
        self.hold_up_to(length, rest);
        if self.held.len() < length {
            return Ok(false);
        }
        let message = std::mem::take(&mut self.held);
        self.length = None;
        dispatch(&message, each)?;
        // Its memory serves the next one.
        self.held = message;
        self.held.clear();
        Ok(true)
    }

    fn hold_up_to(&mut self, length: usize, rest: &mut &[u8]) {
        let wanted = length.saturating_sub(self.held.len()).min(rest.len());
        let bytes = *rest;
        let (taken, left) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        steps::count(taken.len());
        self.held.extend_from_slice(taken);
        *rest = left;
    }
}

/// The length of a message whose first bytes these are.
fn read_prelude(bytes: &[u8]) -> Result<usize, EventStreamError> {
    let (said_bytes, header_bytes) = (number_at(bytes, 0), number_at(bytes, 4));
    if crc32(bytes.get(..8).unwrap_or_default()) != number_at(bytes, 8) {
        return Err(EventStreamError::Checksum);
    }
    let wrong = EventStreamError::Length { said_bytes };
    let length = usize::try_from(said_bytes).map_err(|_| wrong)?;
    let headers = usize::try_from(header_bytes).map_err(|_| wrong)?;
    let fits = (LEAST_BYTES..=MOST_EVENT_BYTES).contains(&length) && headers <= length.saturating_sub(LEAST_BYTES);
    if fits { Ok(length) } else { Err(wrong) }
}

fn dispatch(message: &[u8], each: &mut dyn FnMut(Event<'_>)) -> Result<(), EventStreamError> {
    steps::count(message.len());
    let behind = message.len().saturating_sub(CHECKSUM_BYTES);
    if crc32(message.get(..behind).unwrap_or_default()) != number_at(message, behind) {
        return Err(EventStreamError::Checksum);
    }
    let headers = usize::try_from(number_at(message, 4)).unwrap_or(0);
    let payload_at = PRELUDE_BYTES.saturating_add(headers);
    let named = Names::read(message.get(PRELUDE_BYTES..payload_at).unwrap_or_default())?;
    let payload = std::str::from_utf8(message.get(payload_at..behind).unwrap_or_default());
    let payload = payload.map_err(|_| EventStreamError::Malformed)?;
    let mut data = b"{".to_vec();
    write_string(named.name, &mut data);
    data.push(b':');
    match named.message {
        // An error has no payload.
        Some(said) => {
            data.extend_from_slice(b"{\"message\":");
            write_string(said, &mut data);
            data.push(b'}');
        }
        None => data.extend_from_slice(if payload.trim().is_empty() { b"{}" } else { payload.as_bytes() }),
    }
    data.push(b'}');
    let data = std::str::from_utf8(&data).map_err(|_| EventStreamError::Malformed)?;
    each(Event { event: named.name, data, raw: message });
    Ok(())
}

/// What the headers of a message say.
#[derive(Debug, Default)]
struct Names<'a> {
    /// The type of the event, of the exception, or the code of the error.
    name: &'a str,
    /// The words of an error.
    message: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn read(mut headers: &'a [u8]) -> Result<Self, EventStreamError> {
        let (mut kind, mut of_kind) = ("", [None; 3]);
        let mut message = None;
        while !headers.is_empty() {
            let (name, value) = read_header(&mut headers).ok_or(EventStreamError::Malformed)?;
            let place = match name {
                b":message-type" => {
                    kind = value.unwrap_or_default();
                    continue;
                }
                b":error-message" => {
                    message = value;
                    continue;
                }
                b":event-type" => 0,
                b":exception-type" => 1,
                b":error-code" => 2,
                _ => continue,
            };
            if let Some(known) = of_kind.get_mut(place) {
                *known = value;
            }
        }
        let [event, exception, code] = of_kind;
        Ok(match kind {
            "exception" => Self { name: exception.unwrap_or("unknownException"), message: None },
            "error" => Self { name: code.unwrap_or("error"), message: Some(message.unwrap_or_default()) },
            _ => Self { name: event.unwrap_or_default(), message: None },
        })
    }
}

/// A header's name, and its value if that is a text; `None`: it is no header.
fn read_header<'a>(headers: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a str>)> {
    let length = usize::from(take(headers, 1)?.first().copied()?);
    let name = take(headers, length)?;
    let kind = take(headers, 1)?.first().copied()?;
    let length = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let length = take(headers, 2)?;
            usize::from(u16::from_be_bytes(length.try_into().ok()?))
        }
        _ => return None,
    };
    let value = take(headers, length)?;
    match kind {
        7 => Some((name, Some(std::str::from_utf8(value).ok()?))),
        _ => Some((name, None)),
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let all = *bytes;
    let (taken, rest) = all.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// The number of four bytes, the first of which weighs most. Beyond the end there are zeros.
fn number_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at.saturating_add(4)).and_then(|four| <[u8; 4]>::try_from(four).ok());
    four.map_or(0, u32::from_be_bytes)
}

/// What four bits do to the checksum (ISO 3309, reflected, as zlib has it).
const CRC_OF_FOUR_BITS: [u32; 16] = [
    0x0000_0000,
    0x1db7_1064,
    0x3b6e_20c8,
    0x26d9_30ac,
    0x76dc_4190,
    0x6b6b_51f4,
    0x4db2_6158,
    0x5005_713c,
    0xedb8_8320,
    0xf00f_9344,
    0xd6d6_a3e8,
    0xcb61_b38c,
    0x9b64_c2b0,
    0x86d3_d2d4,
    0xa00a_e278,
    0xbdbd_f21c,
];

fn crc32(bytes: &[u8]) -> u32 {
    let four_bits = |crc: u32| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 4) ^ CRC_OF_FOUR_BITS.get(usize::from(low & 0xf)).copied().unwrap_or_default()
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| four_bits(four_bits(crc ^ u32::from(*byte))))
}

#[cfg(test)]
mod tests;

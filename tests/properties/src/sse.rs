//! The framer of event streams.

use weir_llm::sse::{Event, FrameError, Framer, write_event};

use crate::input::{choice, pieces};

/// One event.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    name: String,
    data: String,
    raw: Vec<u8>,
    /// The same, written with other data.
    edited: Vec<u8>,
}

const OTHER_DATA: &str = "{\"a\":1}";

/// The first byte sets the bound of an event and the pieces; the rest is the stream.
///
/// Whatever the pieces, the events are the same; every byte is in some event until one is too large; an event framed alone,
/// written anew, or written with other data is that event again.
pub fn check(data: &[u8]) {
    let (seed, stream) = choice(data);
    let most_bytes = 8 + usize::from(seed) * 4;
    let (events, error) = frame([stream], most_bytes);
    for chunks in [stream.chunks(1).collect(), stream.chunks(3).collect(), pieces(stream, seed)] {
        assert_eq!(frame(chunks, most_bytes), (events.clone(), error), "the pieces change the events");
    }
    let whole: Vec<u8> = events.iter().flat_map(|event| event.raw.iter().copied()).collect();
    match error {
        None => assert_eq!(whole, stream, "a byte is in no event"),
        Some(_) => assert!(stream.starts_with(&whole)),
    }
    for (index, event) in events.iter().enumerate() {
        let alone = |bytes: &[u8]| {
            // Only the first event may begin with a byte order mark.
            let before: &[u8] = if index == 0 { b"" } else { b":\n\n" };
            let (mut events, error) = frame([before, bytes], usize::MAX);
            assert_eq!(error, None);
            events.drain(..usize::from(index > 0));
            assert_eq!(events.len(), 1, "{bytes:?} is not one event");
            events.swap_remove(0)
        };
        assert_eq!(&alone(&event.raw), event);
        let mut written = Vec::new();
        write_event(&event.name, &event.data, &mut written);
        let again = alone(&written);
        assert_eq!((&again.name, &again.data), (&event.name, &event.data), "written anew it is another event");
        let edited = alone(&event.edited);
        assert_eq!((&edited.name, edited.data.as_str()), (&event.name, OTHER_DATA), "{event:?}");
    }
}

fn frame<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, most_bytes: usize) -> (Vec<Owned>, Option<FrameError>) {
    let mut framer = Framer::new(most_bytes);
    let mut events = Vec::new();
    let mut each = |event: Event<'_>| {
        assert!(event.raw.len() <= most_bytes, "an event over the bound");
        let mut edited = Vec::new();
        event.write_with_data(OTHER_DATA, &mut edited);
        events.push(Owned {
            name: event.event.to_owned(),
            data: event.data.to_owned(),
            raw: event.raw.to_vec(),
            edited,
        });
    };
    let mut error = None;
    for chunk in chunks {
        error = error.or(framer.push(chunk, &mut each).err());
    }
    error = error.or(framer.finish(&mut each).err());
    (events, error)
}

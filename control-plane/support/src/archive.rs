//! A tar archive (POSIX ustar) of regular files: no more of the format is needed.

use std::io::{self, Write};

const BLOCK: usize = 512;
/// Bytes that the header has for a name.
const NAME: usize = 100;

/// An archive that is being written.
pub(crate) struct Archive<W: Write> {
    out: W,
    /// Of all files, in seconds since 1970.
    modified_at: u64,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W, modified_at: u64) -> Self {
        Self { out, modified_at }
    }

    /// Adds a file that only its owner can read. A name that is too long loses its beginning.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.out.write_all(&header(name, content.len(), self.modified_at))?;
        self.out.write_all(content)?;
        self.out.write_all(&vec![0; content.len().next_multiple_of(BLOCK) - content.len()])
    }

    /// Ends it.
    pub(crate) fn finished(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }
}

fn header(name: &str, size: usize, modified_at: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let name = name.as_bytes();
    let name = name.get(name.len().saturating_sub(NAME)..).unwrap_or_default();
    for (at, value) in [
        (0, name),
        (100, b"0000600\0".as_slice()),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, format!("{size:011o}\0").as_bytes()),
        (136, format!("{modified_at:011o}\0").as_bytes()),
        // The sum is taken with blanks where it will stand.
        (148, b"        "),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ] {
        for (place, byte) in block.iter_mut().skip(at).zip(value) {
            *place = *byte;
        }
    }
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    for (place, byte) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    block
}

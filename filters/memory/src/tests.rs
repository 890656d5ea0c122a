use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::prelude::*;

use super::{LONGEST, Region, SHARES, ShortPieces};

const REGION: usize = 16 * 1024;

/// Counts the bytes that are out.
#[derive(Debug, Default)]
struct Counted(Cell<usize>);

// SAFETY: as `System`.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.set(self.0.get() + layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.0.set(self.0.get() - layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn memory() -> ShortPieces<Counted> {
    let region: &'static Region<REGION> = Box::leak(Box::new(Region::new()));
    // SAFETY: one thread, and a region of its own.
    unsafe { ShortPieces::new(region, Counted::default()) }
}

/// A piece that is in use, full of one byte.
struct Piece(*mut u8, Layout, u8);

impl Piece {
    fn fill(self) -> Self {
        // SAFETY: the piece is that long.
        unsafe { self.0.write_bytes(self.2, self.1.size()) };
        self
    }

    fn holds(&self, length: usize) -> bool {
        // SAFETY: the piece is that long.
        unsafe { std::slice::from_raw_parts(self.0, length) }.iter().all(|byte| *byte == self.2)
    }
}

proptest! {
    #[test]
    fn every_piece_is_its_owners_alone(
        acts in prop::collection::vec((0..4_u8, 1..1500_usize, 0..6_u32, any::<prop::sample::Index>()), 1..400)
    ) {
        let memory = memory();
        let mut pieces: Vec<Piece> = Vec::new();
        for (number, (act, size, align, index)) in acts.into_iter().enumerate() {
            let byte = u8::try_from(number % 251).unwrap();
            match act {
                0 | 1 => {
                    // Many short ones, so that the region is full at times.
                    let size = if act == 0 { size } else { size % 600 + 1 };
                    let layout = Layout::from_size_align(size, 1 << align).unwrap();
                    // SAFETY: the size is not 0.
                    let pointer = unsafe { memory.alloc(layout) };
                    prop_assert!(pointer.addr() % layout.align() == 0);
                    pieces.push(Piece(pointer, layout, byte).fill());
                }
                2 if !pieces.is_empty() => {
                    let Piece(pointer, layout, old) = pieces.swap_remove(index.index(pieces.len()));
                    prop_assert!(Piece(pointer, layout, old).holds(layout.size()));
                    // SAFETY: the piece came with this layout.
                    let moved = unsafe { memory.realloc(pointer, layout, size) };
                    let wanted = Layout::from_size_align(size, layout.align()).unwrap();
                    prop_assert!(Piece(moved, wanted, old).holds(size.min(layout.size())));
                    pieces.push(Piece(moved, wanted, byte).fill());
                }
                3 if !pieces.is_empty() => {
                    let piece = pieces.swap_remove(index.index(pieces.len()));
                    prop_assert!(piece.holds(piece.1.size()));
                    // SAFETY: the piece came with this layout.
                    unsafe { memory.dealloc(piece.0, piece.1) };
                }
                _ => {}
            }
        }
        prop_assert!(pieces.iter().all(|piece| piece.holds(piece.1.size())));
        for Piece(pointer, layout, _) in pieces {
            // SAFETY: the piece came with this layout.
            unsafe { memory.dealloc(pointer, layout) };
        }
        prop_assert_eq!(memory.behind.0.get(), 0);
    }
}

/// Takes so many pieces, gives all of them back, and tells how many bytes of them the allocator behind had to find.
fn behind(memory: &ShortPieces<Counted>, layout: Layout, count: usize) -> usize {
    // SAFETY: the size is not 0.
    let pieces: Vec<_> = (0..count).map(|_| unsafe { memory.alloc(layout) }).collect();
    let out = memory.behind.0.get();
    for piece in pieces {
        // SAFETY: the piece came with this layout.
        unsafe { memory.dealloc(piece, layout) };
    }
    assert_eq!(memory.behind.0.get(), 0);
    out
}

#[test]
fn the_region_serves_short_pieces_again_and_again_and_no_others() {
    let memory = memory();
    let short = Layout::from_size_align(100, 8).unwrap();
    let share = REGION / SHARES / 112;
    for _ in 0..1000 {
        assert_eq!(behind(&memory, short, 10), 0);
    }
    let beyond = 10;
    assert_eq!(behind(&memory, short, share + beyond), beyond * 100, "what finds no room");
    assert_eq!(behind(&memory, short, share), 0, "all of it is there again");
    for other in [1, 16, 17, 300, LONGEST] {
        assert_eq!(behind(&memory, Layout::from_size_align(other, 8).unwrap(), 1), 0, "others have their share");
    }
    assert_eq!(behind(&memory, Layout::from_size_align(LONGEST + 1, 8).unwrap(), 10), 10 * (LONGEST + 1));
    assert_eq!(behind(&memory, Layout::from_size_align(64, 64).unwrap(), 10), 640);
}

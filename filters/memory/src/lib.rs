//! Memory for a program of one thread that asks for the same short pieces again and again.
//!
//! A request makes more than a hundred of them. [`ShortPieces`] stands before another allocator and keeps pieces that were given
//! back in lists by their size, so that nearly every request is served by taking the first of a list.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]
#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// Lengths are rounded up to multiples of this many bytes, and no piece is aligned to more.
const STEP: usize = 16;
/// The longest piece that is kept, in bytes.
const LONGEST: usize = 512;
/// What is kept of each length at most, in bytes.
const KEPT: usize = 16 * 1024;

/// An allocator that keeps short pieces for reuse, before one that has them all.
#[derive(Debug)]
pub struct ShortPieces<A> {
    behind: A,
    lists: UnsafeCell<[List; LONGEST / STEP]>,
}

/// Pieces of one length that wait for reuse: each begins with the address of the next.
#[derive(Clone, Copy, Debug)]
struct List {
    first: *mut u8,
    length: usize,
}

// SAFETY: made only where there is one thread, as `ShortPieces::new` demands.
unsafe impl<A> Sync for ShortPieces<A> {}

impl<A> ShortPieces<A> {
    /// Before `behind`.
    ///
    /// # Safety
    ///
    /// All calls come from one thread, and none from within another.
    pub const unsafe fn new(behind: A) -> Self {
        let empty = List { first: null_mut(), length: 0 };
        Self { behind, lists: UnsafeCell::new([empty; LONGEST / STEP]) }
    }

    /// The list for pieces of this layout, and the layout of its pieces.
    fn list(&self, layout: Layout) -> Option<(*mut List, Layout)> {
        if layout.align() > STEP {
            return None;
        }
        let number = layout.size().checked_sub(1)? / STEP;
        // SAFETY: nobody else has a reference, since there is one thread and no call comes from within another.
        let list: *mut List = unsafe { &mut *self.lists.get() }.get_mut(number)?;
        let piece = Layout::from_size_align(number.wrapping_add(1).wrapping_mul(STEP), STEP).ok()?;
        Some((list, piece))
    }
}

// SAFETY: a piece comes from `behind` with its list's layout, is handed out to one owner at a time, and goes back with that
// layout. Everything else is between the caller and `behind`.
unsafe impl<A: GlobalAlloc> GlobalAlloc for ShortPieces<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the list's pieces are unused and begin with the address of the next; the rest as the caller promises.
        unsafe {
            let Some((list, piece)) = self.list(layout) else { return self.behind.alloc(layout) };
            let first = (*list).first;
            if first.is_null() {
                return self.behind.alloc(piece);
            }
            (*list).first = first.cast::<*mut u8>().read();
            (*list).length = (*list).length.wrapping_sub(1);
            first
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the piece is unused from now on, and long and aligned enough for an address; the rest as the caller promises.
        unsafe {
            let Some((list, piece)) = self.list(layout) else { return self.behind.dealloc(pointer, layout) };
            if (*list).length.wrapping_mul(piece.size()) >= KEPT {
                return self.behind.dealloc(pointer, piece);
            }
            pointer.cast::<*mut u8>().write((*list).first);
            (*list).first = pointer;
            (*list).length = (*list).length.wrapping_add(1);
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises; both layouts are valid.
        unsafe {
            let wanted = Layout::from_size_align_unchecked(size, layout.align());
            match (self.list(layout), self.list(wanted)) {
                (None, None) => self.behind.realloc(pointer, layout, size),
                (Some((old, _)), Some((new, _))) if old == new => pointer,
                _ => {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        pointer.copy_to_nonoverlapping(moved, layout.size().min(size));
                        self.dealloc(pointer, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::{KEPT, LONGEST, ShortPieces};

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
            acts in prop::collection::vec((0..3_u8, 1..1500_usize, 0..6_u32, any::<prop::sample::Index>()), 1..400)
        ) {
            // SAFETY: one thread.
            let memory = unsafe { ShortPieces::new(Counted::default()) };
            let mut pieces: Vec<Piece> = Vec::new();
            for (number, (act, size, align, index)) in acts.into_iter().enumerate() {
                let byte = u8::try_from(number % 251).unwrap();
                match act {
                    0 => {
                        let layout = Layout::from_size_align(size, 1 << align).unwrap();
                        // SAFETY: the size is not 0.
                        let pointer = unsafe { memory.alloc(layout) };
                        prop_assert!(pointer.addr() % layout.align() == 0);
                        pieces.push(Piece(pointer, layout, byte).fill());
                    }
                    1 if !pieces.is_empty() => {
                        let Piece(pointer, layout, old) = pieces.swap_remove(index.index(pieces.len()));
                        prop_assert!(Piece(pointer, layout, old).holds(layout.size()));
                        // SAFETY: the piece came with this layout.
                        let moved = unsafe { memory.realloc(pointer, layout, size) };
                        let wanted = Layout::from_size_align(size, layout.align()).unwrap();
                        prop_assert!(Piece(moved, wanted, old).holds(size.min(layout.size())));
                        pieces.push(Piece(moved, wanted, byte).fill());
                    }
                    2 if !pieces.is_empty() => {
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
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_used_again() {
        // SAFETY: one thread.
        let memory = unsafe { ShortPieces::new(Counted::default()) };
        let out = || memory.behind.0.get();
        let each = |layout: Layout, count: usize| {
            // SAFETY: the size is not 0.
            let pieces: Vec<_> = (0..count).map(|_| unsafe { memory.alloc(layout) }).collect();
            let at_most = out();
            for piece in pieces {
                // SAFETY: the piece came with this layout.
                unsafe { memory.dealloc(piece, layout) };
            }
            at_most
        };
        let short = Layout::from_size_align(100, 8).unwrap();
        each(short, 5000);
        assert!((KEPT..KEPT + 112).contains(&out()), "{} bytes are kept", out());
        assert_eq!(each(short, 100), out(), "taken from what was kept");
        let before = out();
        each(Layout::from_size_align(LONGEST + 1, 8).unwrap(), 10);
        each(Layout::from_size_align(64, 64).unwrap(), 10);
        assert_eq!(out(), before, "long pieces and those of another alignment are not kept");
    }
}

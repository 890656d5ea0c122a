//! Memory for a program of one thread that asks for the same short pieces again and again.
//!
//! A stream of the filters asks for more than a hundred. [`ShortPieces`] stands before another allocator and cuts them from a
//! region of their own; pieces that were given back wait in lists by their size, so that nearly every time the first of a list is
//! taken. The region is all that it ever has: short pieces that lay among long ones would keep these from growing
//! together again, and a VM's memory never shrinks. What finds no room in it comes from the other allocator. A piece keeps its
//! length for ever, so each length has a share of the region at most: no one use of memory takes it from all others.
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
/// The longest piece that is cut from the region, in bytes.
const LONGEST: usize = 512;

/// Each length has this part of the region at most.
const SHARES: usize = 8;

/// Memory for short pieces.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Region<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: only `ShortPieces` reaches what is in it, which is made only where there is one thread.
unsafe impl<const BYTES: usize> Sync for Region<BYTES> {}

impl<const BYTES: usize> Region<BYTES> {
    /// An empty one. It is all zeros: of a static one nothing stands in the program's file.
    #[expect(clippy::new_without_default, reason = "only statics are made of it")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BYTES]))
    }
}

/// An allocator that has a region for short pieces, before one that has all others.
#[derive(Debug)]
pub struct ShortPieces<A> {
    behind: A,
    region: *mut u8,
    size: usize,
    state: UnsafeCell<State>,
}

#[derive(Debug)]
struct State {
    /// By the length of their pieces.
    lists: [List; LONGEST / STEP],
    /// Bytes of the region that were ever cut.
    cut: usize,
}

#[derive(Clone, Copy, Debug)]
struct List {
    /// The first piece that waits for reuse: each begins with the address of the next.
    waiting: *mut u8,
    /// Bytes that were ever cut for it.
    cut: usize,
}

// SAFETY: made only where there is one thread, as `ShortPieces::new` demands.
unsafe impl<A> Sync for ShortPieces<A> {}

impl<A> ShortPieces<A> {
    /// Before `behind`.
    ///
    /// # Safety
    ///
    /// All calls come from one thread, and none from within another. Nobody else has this region.
    pub const unsafe fn new<const BYTES: usize>(region: &'static Region<BYTES>, behind: A) -> Self {
        let state = State { lists: [List { waiting: null_mut(), cut: 0 }; LONGEST / STEP], cut: 0 };
        Self { behind, region: region.0.get().cast(), size: BYTES, state: UnsafeCell::new(state) }
    }

    /// The number of the list for such pieces, if they are short.
    fn list(layout: Layout) -> Option<usize> {
        let number = layout.size().wrapping_sub(1) / STEP;
        (number < LONGEST / STEP && layout.align() <= STEP).then_some(number)
    }

    fn has(&self, pointer: *mut u8) -> bool {
        pointer.addr().wrapping_sub(self.region.addr()) < self.size
    }

    /// A piece for the list of this number, if there is any or room for one.
    fn take(&self, number: usize) -> Option<*mut u8> {
        // SAFETY: nobody else has a reference, since there is one thread and no call comes from within another.
        let state = unsafe { &mut *self.state.get() };
        let list = state.lists.get_mut(number)?;
        if !list.waiting.is_null() {
            let piece = list.waiting;
            // SAFETY: a piece that waits begins with the address of the next.
            list.waiting = unsafe { piece.cast::<*mut u8>().read() };
            return Some(piece);
        }
        let length = number.wrapping_add(1).wrapping_mul(STEP);
        let (cut, end) = (list.cut.wrapping_add(length), state.cut.wrapping_add(length));
        if cut > self.size / SHARES || end > self.size {
            return None;
        }
        // SAFETY: it and all up to `end` are in the region.
        let piece = unsafe { self.region.add(state.cut) };
        (list.cut, state.cut) = (cut, end);
        Some(piece)
    }

    /// Takes back a piece that is in the region.
    ///
    /// # Safety
    ///
    /// It came with this layout, and nobody uses it any more.
    unsafe fn give_back(&self, piece: *mut u8, layout: Layout) {
        // SAFETY: as in `take`.
        let state = unsafe { &mut *self.state.get() };
        if let Some(list) = Self::list(layout).and_then(|number| state.lists.get_mut(number)) {
            // SAFETY: it is unused, and long and aligned enough for an address.
            unsafe { piece.cast::<*mut u8>().write(list.waiting) };
            list.waiting = piece;
        }
    }
}

// SAFETY: a piece of the region is handed out to one owner at a time, is as long as its list says, and goes back to that list.
// Everything else is between the caller and `behind`, which never gets a pointer into the region.
unsafe impl<A: GlobalAlloc> GlobalAlloc for ShortPieces<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Self::list(layout).and_then(|number| self.take(number)) {
            Some(piece) => piece,
            // SAFETY: as the caller promises.
            None => unsafe { self.behind.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe {
            match self.has(pointer) {
                true => self.give_back(pointer, layout),
                false => self.behind.dealloc(pointer, layout),
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.has(pointer) {
            // SAFETY: as the caller promises.
            return unsafe { self.behind.realloc(pointer, layout, size) };
        }
        // SAFETY: as the caller promises, this is a valid layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if Self::list(wanted) == Self::list(layout) {
            return pointer;
        }
        // SAFETY: both pieces are at least as long as what is copied, and are two.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                pointer.copy_to_nonoverlapping(moved, layout.size().min(size));
                self.give_back(pointer, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;

/// Bytes of request bodies that the proxy holds for the streams of one VM. A proxy keeps a body until its stream is over,
/// since another attempt may need it, so their sum must be bounded.
#[derive(Debug, Default)]
pub struct Bodies {
    held: Cell<u64>,
}

/// One stream's part of them, given back when this is dropped.
#[derive(Debug)]
pub struct HeldBody {
    all: Rc<Bodies>,
    bytes: u64,
}

impl Bodies {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.get()
    }
}

impl HeldBody {
    /// Nothing of a stream yet.
    pub fn new(all: Rc<Bodies>) -> Self {
        Self { all, bytes: 0 }
    }

    /// Whether this stream may hold so many bytes if all together may hold `limit`.
    pub fn may_grow_to(&self, bytes: u64, limit: u64) -> bool {
        self.all.held().saturating_sub(self.bytes).saturating_add(bytes) <= limit
    }

    /// Counts that this stream holds so many bytes.
    pub fn grow_to(&mut self, bytes: u64) {
        self.all.held.set(self.all.held().saturating_sub(self.bytes).saturating_add(bytes));
        self.bytes = bytes;
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.grow_to(0);
    }
}

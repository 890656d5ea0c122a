use std::collections::VecDeque;

use crate::error::ProviderError;

/// The most that is held back of a stream, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// What a block costs beside its bytes.
const BLOCK_BYTES: usize = 64;

/// A block that waits for its turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    Text(String),
    /// The key of a call.
    Call(u32),
}

/// What is held back, in its order, and how many bytes that is.
#[derive(Debug, Default)]
pub(super) struct Held {
    blocks: VecDeque<Block>,
    bytes: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(super) fn push_text(&mut self, text: &str) -> Result<(), ProviderError> {
        self.grow(text.len())?;
        if let Some(Block::Text(last)) = self.blocks.back_mut() {
            last.push_str(text);
            return Ok(());
        }
        self.blocks.push_back(Block::Text(text.to_owned()));
        self.grow(BLOCK_BYTES)
    }

    pub(super) fn push_call(&mut self, key: u32) -> Result<(), ProviderError> {
        self.blocks.push_back(Block::Call(key));
        self.grow(BLOCK_BYTES)
    }

    pub(super) fn pop(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        let text = match &block {
            Block::Text(text) => text.len(),
            Block::Call(_) => 0,
        };
        self.shrink(text.saturating_add(BLOCK_BYTES));
        Some(block)
    }

    /// More is held, also of a call.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), ProviderError> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes > MOST_BYTES {
            true => Err(ProviderError::protocol("the provider mixes more of its blocks than can be held back")),
            false => Ok(()),
        }
    }

    pub(super) fn shrink(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

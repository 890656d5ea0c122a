/// Who says how many tokens there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenSource {
    /// Nobody: nothing reached a provider.
    #[default]
    None,
    /// The provider.
    Provider,
    /// Weir, from the text that passed.
    Estimated,
}

/// Tokens of one answer, and the text that they can be estimated from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The provider's figures, the largest seen so far: providers send running totals.
    pub reported: Option<weir_llm::Usage>,
    /// The provider's figures are those of its whole answer; nothing is added to them.
    pub is_final: bool,
    /// Characters of text sent to the provider.
    pub input_characters: u64,
    /// Characters of text that came back so far.
    pub output_characters: u64,
}

impl Usage {
    /// Takes in figures that a provider sent, in any event and any order.
    pub fn report(&mut self, figures: weir_llm::Usage) {
        self.reported = Some(match self.reported.take() {
            Some(known) => known.maximum(&figures),
            None => figures,
        });
    }
}

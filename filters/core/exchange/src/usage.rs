use std::cell::OnceCell;

use weir_config::Tokens;
use weir_llm::Facts;

/// Who says how many tokens there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenSource {
    /// Nobody: nothing reached a provider, or it said nothing of this class.
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
    /// What the provider said so far; of each figure the last word.
    pub reported: Option<weir_llm::Usage>,
    /// The provider's figure of the output is that of its whole answer; nothing is added to it.
    pub is_final: bool,
    /// Characters of text that came back so far.
    pub output_characters: u64,
    /// What the provider said besides its figures.
    pub said: Said,
    /// What it comes to. Made once, when the first needs it after the answer is complete: a client is told what the ledger has.
    pub settlement: OnceCell<Settlement>,
}

/// What a provider said besides the figures of its usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its usage as it said it: of a stream the first and the last word.
    pub usages: Vec<String>,
    /// The tier that served; empty: the standard one, or it said none.
    pub tier: String,
    /// Searches of the web that it did.
    pub web_searches: u64,
}

impl Said {
    fn note(&mut self, facts: Facts) {
        if let Some(raw) = facts.raw {
            match self.usages.get_mut(1) {
                Some(last) => *last = raw,
                None => self.usages.push(raw),
            }
        }
        if let Some(tier) = facts.tier {
            self.tier = tier;
        }
        self.web_searches = facts.web_searches.unwrap_or(self.web_searches);
    }
}

impl Usage {
    /// Takes in what was said besides.
    pub fn note(&mut self, facts: Facts) {
        self.said.note(facts);
    }

    /// Takes in figures that a provider sent behind those that are known.
    pub fn report(&mut self, figures: weir_llm::Usage) {
        self.reported = Some(match self.reported.take() {
            Some(known) => known.followed_by(&figures),
            None => figures,
        });
    }

    /// Takes in the figures of a whole answer.
    pub fn report_whole(&mut self, figures: weir_llm::Usage) {
        self.report(figures);
        self.is_final = true;
    }
}

/// What one request used and costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// The tokens of each class: no part is more than its whole.
    pub tokens: Tokens,
    /// Who says so of the input.
    pub input_source: TokenSource,
    /// Who says so of what was read from a cache.
    pub cached_input_source: TokenSource,
    /// Who says so of what was written to a cache.
    pub cache_write_source: TokenSource,
    /// Who says so of the output.
    pub output_source: TokenSource,
    /// Who says so of the reasoning.
    pub reasoning_source: TokenSource,
    /// The usage record's fields of which a figure was refused because it could not be true.
    pub doubtful: Vec<&'static str>,
    /// The tier that served; empty: the standard one.
    pub tier: String,
    /// Searches of the web that the provider did.
    pub web_searches: u64,
    /// What this attempt costs, in pico-dollars, exactly; 0 without a price.
    pub attempt_picousd: u64,
    /// What all attempts cost of which a provider said that it worked; 0 without a price.
    pub cost_picousd: u64,
    /// The price's version; empty without a price.
    pub price_version: String,
}

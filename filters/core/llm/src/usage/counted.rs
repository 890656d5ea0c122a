use super::{MOST_TOKENS, Usage};

/// The names of the classes of tokens, as a usage record has them.
pub mod class {
    /// All input.
    pub const INPUT: &str = "input_tokens";
    /// Input that was read from a cache.
    pub const CACHED_INPUT: &str = "cached_input_tokens";
    /// Input that was written to a cache for five minutes, or for a time that is not known.
    pub const CACHE_WRITE: &str = "cache_write_tokens";
    /// Input that was written to a cache for an hour.
    pub const CACHE_WRITE_1H: &str = "cache_write_1h_tokens";
    /// All output.
    pub const OUTPUT: &str = "output_tokens";
    /// Output that is reasoning.
    pub const REASONING: &str = "reasoning_tokens";
}

/// Figures that agree with each other: no part is more than its whole, and none is more than [`MOST_TOKENS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All input, what was read from a cache and written to it included.
    pub input: Option<u64>,
    /// Input that was read from a cache.
    pub cached_input: Option<u64>,
    /// Input that was written to a cache for five minutes, or for a time that is not known.
    pub cache_write: Option<u64>,
    /// Input that was written to a cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// All output, reasoning included.
    pub output: Option<u64>,
    /// Output that is reasoning.
    pub reasoning: Option<u64>,
    /// Input and output together, where neither is known.
    pub total: Option<u64>,
    /// The classes ([`class`]) of which something was said that cannot be true.
    pub doubtful: Vec<&'static str>,
}

/// One way to read a figure and its parts.
#[derive(Clone, Copy)]
struct Reading {
    whole: u64,
    /// Whether no part is more than it.
    is_possible: bool,
}

impl Usage {
    /// What the figures come to.
    ///
    /// Servers differ in whether an input includes what came from the cache, and an output its reasoning. The schema's own way holds,
    /// unless only another one gives the total, or a part would be more than its whole. What a total has beyond every reading is
    /// output that the provider did not show.
    pub fn counted(&self) -> Counted {
        let mut counted = Counted { cached_input: self.cached_input.tokens(), ..Counted::default() };
        (counted.cache_write, counted.cache_write_1h) = self.cache_writes();
        counted.reasoning = self.reasoning.tokens();
        counted.doubt_what_was_odd(self);
        let total = self.total.tokens();
        let (inputs, outputs) = (self.readings_of_input(&counted), self.readings_of_output(&counted));
        match (inputs, outputs) {
            (Some(inputs), Some(outputs)) => {
                let (input, output) = fitting(inputs, outputs, total);
                let unexplained = total.unwrap_or(0).saturating_sub(input.saturating_add(output));
                counted.input = Some(input);
                counted.output = Some(output.saturating_add(unexplained));
            }
            (Some([input, other]), None) => {
                let input = if input.is_possible { input.whole } else { other.whole };
                counted.input = Some(input);
                counted.output = total.and_then(|total| total.checked_sub(input));
            }
            (None, Some([output, other])) => {
                let output = if output.is_possible { output.whole } else { other.whole };
                counted.output = Some(output);
                counted.input = total.and_then(|total| total.checked_sub(output)).filter(|input| *input > 0);
            }
            (None, None) => counted.total = total,
        }
        if self.total.is_doubtful() && counted.input.is_none() {
            counted.doubt(class::INPUT);
        }
        counted.bound();
        counted
    }

    /// What was written to a cache for five minutes or a time that is not known, and for an hour. Later events may have the sum alone.
    fn cache_writes(&self) -> (Option<u64>, Option<u64>) {
        let (minutes, hour) = (self.cache_write_5m.tokens(), self.cache_write_1h.tokens());
        let parts = match (minutes, hour) {
            (None, None) => None,
            (minutes, hour) => Some(minutes.unwrap_or(0).saturating_add(hour.unwrap_or(0))),
        };
        let Some(all) = self.cache_write.tokens().filter(|all| *all > 0).or(parts).or(self.cache_write.tokens()) else {
            return (None, None);
        };
        let hour = hour.map(|hour| hour.min(all));
        (Some(all.saturating_sub(hour.unwrap_or(0))), hour)
    }

    /// The schema's own way first.
    fn readings_of_input(&self, counted: &Counted) -> Option<[Reading; 2]> {
        let parts = counted.cache();
        match (self.input.tokens(), self.plain_input.tokens()) {
            (Some(input), _) => Some([within(input, parts), beside(input, parts)]),
            (None, Some(plain)) => Some([beside(plain, parts), within(plain, parts)]),
            (None, None) => None,
        }
    }

    fn readings_of_output(&self, counted: &Counted) -> Option<[Reading; 2]> {
        let output = self.output.tokens()?;
        let reasoning = counted.reasoning.unwrap_or(0);
        Some([within(output, reasoning), beside(output, reasoning)])
    }
}

/// The figure includes its parts.
fn within(figure: u64, parts: u64) -> Reading {
    Reading { whole: figure, is_possible: parts <= figure }
}

/// It does not.
fn beside(figure: u64, parts: u64) -> Reading {
    Reading { whole: figure.saturating_add(parts), is_possible: true }
}

/// Input and output by the first readings that are possible and give the total; by the first that give it, if a part is odd; or by the
/// first that are possible.
fn fitting([input, other_input]: [Reading; 2], [output, other_output]: [Reading; 2], total: Option<u64>) -> (u64, u64) {
    let ways = [(input, output), (input, other_output), (other_input, output), (other_input, other_output)];
    let is_possible = |(input, output): &&(Reading, Reading)| input.is_possible && output.is_possible;
    let gives_total = |(input, output): &&(Reading, Reading)| total == Some(input.whole.saturating_add(output.whole));
    let found = ways.iter().find(|way| is_possible(way) && gives_total(way));
    let found = found.or_else(|| ways.iter().find(gives_total)).or_else(|| ways.iter().find(is_possible));
    found.map(|(input, output)| (input.whole, output.whole)).unwrap_or_default()
}

impl Counted {
    /// What was written to a cache, for however long.
    pub fn written_to_cache(&self) -> Option<u64> {
        match (self.cache_write, self.cache_write_1h) {
            (None, None) => None,
            (minutes, hour) => Some(minutes.unwrap_or(0).saturating_add(hour.unwrap_or(0))),
        }
    }

    /// What came from a cache or went there.
    fn cache(&self) -> u64 {
        let parts = [self.cached_input, self.cache_write, self.cache_write_1h];
        parts.into_iter().flatten().fold(0, u64::saturating_add)
    }

    fn doubt(&mut self, class: &'static str) {
        if !self.doubtful.contains(&class) {
            self.doubtful.push(class);
        }
    }

    fn doubt_what_was_odd(&mut self, usage: &Usage) {
        for (said, class) in [
            (usage.input, class::INPUT),
            (usage.plain_input, class::INPUT),
            (usage.cached_input, class::CACHED_INPUT),
            (usage.cache_write, class::CACHE_WRITE),
            (usage.cache_write_5m, class::CACHE_WRITE),
            (usage.cache_write_1h, class::CACHE_WRITE_1H),
            (usage.output, class::OUTPUT),
            (usage.reasoning, class::REASONING),
        ] {
            if said.is_doubtful() {
                self.doubt(class);
            }
        }
    }

    /// Bounds the wholes, and doubts the parts that are more than theirs.
    fn bound(&mut self) {
        for (is_over, class) in [(over(&mut self.input), class::INPUT), (over(&mut self.output), class::OUTPUT)] {
            if is_over {
                self.doubt(class);
            }
        }
        let most = self.input.unwrap_or(MOST_TOKENS);
        if self.cached_input.is_some_and(|cached| cached > most) {
            self.cached_input = None;
            self.doubt(class::CACHED_INPUT);
        }
        if self.cache() > most {
            for (part, class) in
                [(self.cache_write.take(), class::CACHE_WRITE), (self.cache_write_1h.take(), class::CACHE_WRITE_1H)]
            {
                if part.is_some() {
                    self.doubt(class);
                }
            }
        }
        if self.reasoning.is_some_and(|reasoning| reasoning > self.output.unwrap_or(MOST_TOKENS)) {
            self.reasoning = None;
            self.doubt(class::REASONING);
        }
    }
}

/// Bounds a figure; whether it was over the bound.
fn over(figure: &mut Option<u64>) -> bool {
    let is_over = figure.is_some_and(|tokens| tokens > MOST_TOKENS);
    *figure = figure.map(|tokens| tokens.min(MOST_TOKENS));
    is_over
}

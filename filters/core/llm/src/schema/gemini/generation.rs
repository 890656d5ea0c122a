/// What the name of a model tells of its generation: `gemini-2.5-pro` is of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(Option<u32>);

/// The generation from which on calls are signed and thinking has levels.
const SIGNED: u32 = 3;

impl Generation {
    /// By the name after the vendor's, if there is a number. One without a number stands for the latest.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or_default();
        let digits = name.strip_prefix("gemini-").map(|rest| rest.split(|one: char| !one.is_ascii_digit()).next());
        Self(digits.flatten().and_then(|digits| digits.parse().ok()))
    }

    /// Whether its models want the signatures of earlier calls back, and say how much to think by a level.
    pub(super) fn signs_calls(self) -> bool {
        self.0.is_none_or(|number| number >= SIGNED)
    }
}

#[cfg(test)]
mod tests {
    use super::Generation;

    #[test]
    fn a_name_tells_the_generation() {
        for (model, signs) in [
            ("gemini-3-pro-preview", true),
            ("gemini-3.6-flash", true),
            ("gemini-10-flash", true),
            ("gemini-flash-latest", true),
            ("models/gemini-2.5-pro", false),
            ("gemini-1.5-flash-002", false),
            ("tunedModels/mine", true),
        ] {
            assert_eq!(Generation::of(model).signs_calls(), signs, "{model}");
        }
    }
}

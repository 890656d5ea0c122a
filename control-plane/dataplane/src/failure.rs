use std::error::Error;

/// An error with all that caused it, in one line, for the log line where it is handled.
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |mut chain, cause| {
        let cause = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !chain.ends_with(&cause) {
            chain.push_str(": ");
            chain.push_str(&cause);
        }
        chain
    })
}

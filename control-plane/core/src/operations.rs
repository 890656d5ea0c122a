//! The operations of the gateway, by their names in usage records.

use weir_llm::Operation;

/// The path of an operation at the gateway, with its version: `/v1/chat/completions` for `chat.completions`. `None`: there is no
/// such operation, it takes no body, or its path names a model.
pub fn path(name: &str) -> Option<String> {
    Operation::named(name)?.path()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_operations_with_a_body_and_a_path_of_their_own_have_one() {
        assert_eq!(path("chat.completions").as_deref(), Some("/v1/chat/completions"));
        assert_eq!(path("messages").as_deref(), Some("/v1/messages"));
        assert_eq!(path("embeddings").as_deref(), Some("/v1/embeddings"));
        for other in ["models", "", "chat/completions", "../admin", "chat.completions?x"] {
            assert_eq!(path(other), None, "{other}");
        }
    }
}

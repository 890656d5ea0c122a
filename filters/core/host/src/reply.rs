/// An answer that a filter gives in the provider's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers beside those that the proxy adds.
    pub headers: Vec<(String, String)>,
    /// The body, in the client's own schema.
    pub body: Vec<u8>,
    /// A stable word for the access log and the usage record, for example `model_not_found`.
    pub code: &'static str,
}

//! What one attempt sends.

use weir_config::{Deployment, ProviderSchema};
use weir_llm::error::ClientError;
use weir_llm::{Operation, RequestHead, Schema, chat, read_head};

use crate::refusal::bad_request;

/// The provider's schema, as `weir-llm` names it.
pub(crate) fn schema_of(deployment: &Deployment) -> Schema {
    match deployment.schema {
        ProviderSchema::OpenAi => Schema::OpenAi,
        ProviderSchema::Anthropic => Schema::Anthropic,
    }
}

/// Where the provider is asked for this, or why it cannot be.
pub(crate) fn path_of(operation: Operation, provider: Schema) -> Result<&'static str, ClientError> {
    match (operation, provider) {
        (Operation::ChatCompletions | Operation::Messages, Schema::OpenAi) => Ok("/v1/chat/completions"),
        (Operation::ChatCompletions | Operation::Messages, Schema::Anthropic) => Ok("/v1/messages"),
        (Operation::Embeddings, Schema::OpenAi) => Ok("/v1/embeddings"),
        (Operation::Embeddings, Schema::Anthropic) => Err(ClientError::new(
            400,
            "unsupported_operation",
            "This model is served by a provider that has no embeddings.",
        )
        .with_param("model")),
        (Operation::ListModels(_) | Operation::GetModel(_), _) => {
            Err(ClientError::new(400, "unsupported_operation", "The list of models is not asked of a provider."))
        }
    }
}

/// The head of `body`: `known`, if it stands where it says, else read anew.
pub(crate) fn head_of(
    operation: Operation,
    known: Option<RequestHead>,
    body: &[u8],
) -> Result<RequestHead, ClientError> {
    if let Some(head) = known {
        let model = body.get(head.model_span.clone()).and_then(|bytes| serde_json::from_slice::<String>(bytes).ok());
        if model.as_deref() == Some(head.model.as_str()) {
            return Ok(head);
        }
    }
    read_head(operation, body).map_err(bad_request)
}

/// The client's body as this provider wants it.
pub(crate) fn body_for(
    deployment: &Deployment,
    operation: Operation,
    head: &RequestHead,
    body: &[u8],
) -> Result<Vec<u8>, ClientError> {
    let (client, provider) = (operation.schema(), schema_of(deployment));
    if client == provider {
        // A stream says what it used only if it is asked to; a client that did not ask does not get to see it.
        return Ok(match operation {
            Operation::ChatCompletions => head.with_usage_asked(body, &deployment.model),
            _ => head.with_model(body, &deployment.model),
        });
    }
    let mut request = chat::read_request(client, body).map_err(bad_request)?;
    request.model.clone_from(&deployment.model);
    chat::write_request(provider, &request).map_err(bad_request)
}

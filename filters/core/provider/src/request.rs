//! What one attempt sends.

use std::rc::Rc;

use weir_config::{Capabilities, Deployment};
use weir_llm::chat::{Echo, ToolNames};
use weir_llm::error::ClientError;
use weir_llm::schema::LeftOut;
use weir_llm::{Kind, Operation, RequestHead, Schema, chat, read_head};

use crate::refusal::{bad_request, unavailable};

/// The schema in which the provider is spoken to: the client's, if the deployment speaks it, else the first of its own that has the
/// operation.
pub(crate) fn schema_of(deployment: &Deployment, operation: Operation) -> Result<Schema, ClientError> {
    let first = Schema::named(&deployment.schema).ok_or_else(|| {
        unavailable(&format!(
            "This gateway is too old for its provider: it does not know the schema {}.",
            deployment.schema
        ))
    })?;
    // One that this module does not know may be left aside.
    let others = deployment.also_speaks.iter().filter_map(|name| Schema::named(name));
    let mut spoken = [first].into_iter().chain(others);
    let client = operation.schema();
    if spoken.clone().any(|schema| schema == client) {
        return Ok(client);
    }
    let has_it = |schema: &Schema| Operation::of_kind(operation.kind(), *schema).is_some();
    Ok(spoken.find(has_it).unwrap_or(first))
}

/// Where the provider is asked for this, or why it cannot be.
pub(crate) fn path_of(
    deployment: &Deployment,
    operation: Operation,
    provider: Schema,
    stream: bool,
) -> Result<String, ClientError> {
    let kind = operation.kind();
    let can_be_asked = kind.has_body() && (provider == operation.schema() || kind.is_translated());
    let at_provider = can_be_asked.then(|| provider.path_at_provider(kind, &deployment.model, stream)).flatten();
    let at_provider = at_provider.ok_or_else(|| {
        let message = format!("This model is served by a provider that has no {}.", operation.name());
        ClientError::new(400, "unsupported_operation", message).with_param("model")
    })?;
    let mut path = [deployment.base_path.as_str(), at_provider.as_str()].concat();
    if !deployment.query.is_empty() {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&deployment.query);
    }
    Ok(path)
}

/// A client's body, and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct ClientBody {
    pub(crate) bytes: Rc<Vec<u8>>,
    pub(crate) head: RequestHead,
}

/// A body as a provider gets it.
#[derive(Debug)]
pub(crate) struct ProviderBody {
    pub(crate) bytes: Vec<u8>,
    /// What its schema or its server cannot be told.
    pub(crate) left_out: Vec<LeftOut>,
    /// What the client calls tools that have other names there.
    pub(crate) tool_names: ToolNames,
    /// What a translated answer repeats of the request.
    pub(crate) echo: Echo,
}

/// The head of `body`: `known`, if it stands where it says, else read anew.
pub(crate) fn head_of(
    operation: Operation,
    path: &str,
    known: Option<RequestHead>,
    body: &[u8],
) -> Result<RequestHead, ClientError> {
    if let Some(head) = known {
        let written = head.model_span.clone().and_then(|span| body.get(span));
        let model = written.and_then(|bytes| serde_json::from_slice::<String>(bytes).ok());
        if model.as_deref() == Some(head.model.as_str()) {
            return Ok(head);
        }
    }
    read_head(operation, path, body).map_err(bad_request)
}

/// The client's body as this provider wants it.
pub(crate) fn body_for(
    deployment: &Deployment,
    operation: Operation,
    provider: Schema,
    body: &ClientBody,
) -> Result<ProviderBody, ClientError> {
    let client = operation.schema();
    let ClientBody { bytes, head } = body;
    let capabilities = &deployment.capabilities;
    if client == provider {
        let bytes = match operation.kind() {
            Kind::Chat => {
                // What cannot be read here is for the server to judge.
                if chat::may_refuse(capabilities)
                    && let Ok(request) = chat::read_request(client, bytes)
                {
                    chat::check_supported(&request, capabilities).map_err(bad_request)?;
                }
                // Most servers take all that their schema can say.
                let edits = match *capabilities == Capabilities::default() {
                    true => Vec::new(),
                    false => provider.adapt(bytes, capabilities),
                };
                // A stream says what it used only if it is asked to; a client that did not ask does not get to see it.
                let ask_usage = provider.usage_is_opt_in() && capabilities.stream_options;
                head.adapted(bytes, &deployment.model, ask_usage, edits)
            }
            kind => {
                let edits = provider.model_edits(kind, bytes, &deployment.model);
                head.adapted(bytes, &deployment.model, false, edits)
            }
        };
        return Ok(ProviderBody {
            bytes,
            left_out: Vec::new(),
            tool_names: ToolNames::default(),
            echo: Echo::default(),
        });
    }
    let counts = operation.kind() == Kind::CountTokens;
    let read = if counts { chat::read_count_request } else { chat::read_request };
    let mut request = read(client, bytes).map_err(bad_request)?;
    request.model.clone_from(&deployment.model);
    request.stream = head.stream;
    let write = if counts { chat::write_count_request } else { chat::write_request };
    let written = write(provider, &request, capabilities).map_err(bad_request)?;
    Ok(ProviderBody {
        bytes: written.body,
        left_out: written.left_out,
        tool_names: written.tool_names,
        echo: Echo::of(client, bytes),
    })
}

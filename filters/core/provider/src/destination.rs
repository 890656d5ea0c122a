use std::net::SocketAddr;

use weir_config::{Deployment, inside_address};
use weir_host::Host;
use weir_llm::error::ClientError;

use crate::refusal::unavailable;

/// Refuses an endpoint inside the operator's network that a tenant's provider has led to by its name. The endpoint is chosen before an
/// attempt's filters see its headers, so that neither a credential nor a body has left.
pub(crate) fn check(host: &dyn Host, deployment: &Deployment) -> Result<(), ClientError> {
    let Some(except) = &deployment.outside_except else { return Ok(()) };
    let address = host.property_text(&["upstream", "address"]);
    let what = match address.as_deref().map(str::parse::<SocketAddr>) {
        Some(Ok(address)) if except.contains(&address.ip()) => return Ok(()),
        Some(Ok(address)) => inside_address(address.ip()),
        // What cannot be judged is not outside.
        Some(Err(_)) | None => Some("an unknown address"),
    };
    match what {
        None => Ok(()),
        Some(what) => Err(unavailable(&format!(
            "The host of the provider {} leads to {what}, where its tenant may not send requests.",
            deployment.provider_name
        ))),
    }
}

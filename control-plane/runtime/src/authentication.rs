use std::sync::Arc;

use weir_dataplane::{Gateways, chain};
use weir_xds::{Authenticate, AuthenticationUnavailable};

/// Lets xDS find gateways the way the data plane does.
pub(crate) fn by_token(gateways: Gateways) -> Authenticate {
    Arc::new(move |token| {
        let gateways = gateways.clone();
        Box::pin(async move {
            gateways.authenticate(&token).await.map_err(|error| {
                tracing::error!(error = chain(&error), "a gateway's token could not be checked");
                AuthenticationUnavailable
            })
        })
    })
}

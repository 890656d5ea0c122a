//! Which gateway calls.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::gateway::Gateway;
use weir_core::ways_in::WaysIn;

use crate::{Store, StoreError};

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayToken {
    /// The gateway.
    pub gateway: Gateway,
    /// When it ends, for one that another has taken the place of; `None`: it is the present one.
    pub valid_until: Option<DateTime<Utc>>,
}

/// Id, name, tenant, trusted hops, whether it trusts forwarded certificates, and ways in of a gateway, and when the token ends.
type TokenRow = (Uuid, String, Option<Uuid>, i16, bool, Json<WaysIn>, Option<DateTime<Utc>>);

impl Store {
    /// The gateway whose token has this digest: the present one, or a former one that has not ended.
    pub async fn gateway_by_token(&self, token_sha256: &[u8]) -> Result<Option<GatewayToken>, StoreError> {
        self.unless_away()?;
        let row: Option<TokenRow> = sqlx::query_as(
            "SELECT id, name, tenant_id, trusted_hops, trusts_forwarded_certificates, ways_in, NULL::timestamptz FROM gateways WHERE token_sha256 = $1
             UNION ALL
             SELECT gateway.id, gateway.name, gateway.tenant_id, gateway.trusted_hops,
                 gateway.trusts_forwarded_certificates, gateway.ways_in, former.valid_until
             FROM former_gateway_tokens former JOIN gateways gateway ON gateway.id = former.gateway_id
             WHERE former.token_sha256 = $1 AND former.valid_until > now()",
        )
        .bind(token_sha256)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(id, name, tenant_id, trusted_hops, trusts_forwarded_certificates, Json(ways_in), valid_until)| {
            let trusted_hops = u8::try_from(trusted_hops).unwrap_or(0);
            let gateway = Gateway { id, name, tenant_id, trusted_hops, trusts_forwarded_certificates, ways_in };
            GatewayToken { gateway, valid_until }
        }))
    }
}

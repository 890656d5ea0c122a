//! Gateways: fleets of Envoys with one token each.

use secrecy::ExposeSecret;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::resource::Stored;
use weir_core::secret::{SecretKind, generate, sha256};
use weir_core::tenant::GatewaySettings;

use crate::StoreError;
use crate::resource::kind::{Checking, Issued, Kind, Owner, Secret};
use crate::row::bytea;

pub(super) struct Gateway;

impl Kind for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    fn table(&self) -> &'static str {
        "gateways"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name"]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn is_platforms_alone(&self) -> bool {
        true
    }

    fn twin(&self) -> Option<&'static str> {
        Some("t.name = $1")
    }

    fn secret(&self) -> Secret {
        Secret::Issued { field: "token" }
    }

    fn check(&self, spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        let settings: GatewaySettings = read(spec.into())?;
        settings.check()?;
        Ok(write(&settings))
    }

    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Gateway { gateway_id: stored.id }
    }

    fn issue(&self) -> Result<Option<Issued>, StoreError> {
        let secret = generate(SecretKind::GatewayToken)?;
        let digest = bytea(&sha256(secret.expose_secret()));
        Ok(Some(Issued { secret, columns: Object::from_iter([("token_sha256".to_owned(), digest)]) }))
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM gateways WHERE id = $1"]
    }
}

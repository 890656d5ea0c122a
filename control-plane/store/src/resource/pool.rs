//! Pools and their members.

use chrono::{DateTime, SubsecRound as _, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;
use weir_core::capabilities::CapabilityOverrides;
use weir_core::change::ChangeKind;
use weir_core::field::FieldError;
use weir_core::json::{Object, read, write};
use weir_core::permission::Permission;
use weir_core::resource::Stored;
use weir_core::routing::{MemberSettings, NextPrice, PoolSettings};

use crate::StoreError;
use crate::members::{MEMBER_COLUMNS, MemberRow, PriceColumns, StoredNextPrice};
use crate::resource::kind::{Checking, Kind, Owner, Written};
use crate::resource::provider::{Said, capabilities};
use crate::resource::reference::{Reference, Within};

const MEMBERS: &str = "(SELECT coalesce(jsonb_agg(jsonb_build_object(
    'id', d.id, 'provider_id', d.provider_id,
    'provider_name', (SELECT p.name FROM providers p WHERE p.id = d.provider_id), 'model', d.model, 'capabilities', d.capabilities,
    'price', CASE WHEN d.price_version IS NOT NULL THEN jsonb_build_object(
        'input_microusd_per_million', d.input_microusd_per_million,
        'cached_input_microusd_per_million', d.cached_input_microusd_per_million,
        'cache_write_microusd_per_million', d.cache_write_microusd_per_million,
        'cache_write_1h_microusd_per_million', d.cache_write_1h_microusd_per_million,
        'output_microusd_per_million', d.output_microusd_per_million,
        'reasoning_microusd_per_million', d.reasoning_microusd_per_million) || d.price_details END,
    'next_prices', (SELECT coalesce(jsonb_agg(jsonb_build_object('valid_from', next -> 'valid_from', 'price', next -> 'price')
        ORDER BY place), '[]') FROM jsonb_array_elements(d.next_prices) WITH ORDINALITY AS of (next, place))
    ) ORDER BY d.position), '[]') FROM deployments d WHERE d.pool_id = t.id)";

pub(super) struct Pool;

impl Kind for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn table(&self) -> &'static str {
        "pools"
    }

    fn columns(&self) -> &'static [&'static str] {
        &["name", "first_byte_timeout_ms", "idle_timeout_ms", "request_timeout_ms"]
    }

    fn expressions(&self) -> &'static [(&'static str, &'static str)] {
        &[("members", MEMBERS)]
    }

    fn owner(&self) -> Owner {
        Owner::TenantOrPlatform
    }

    fn reading(&self) -> Permission {
        Permission::PoolsRead
    }

    fn writing(&self) -> Permission {
        Permission::PoolsWrite
    }

    fn references(&self) -> &'static [Reference] {
        &[Reference {
            list: Some("members"),
            field: "provider_id",
            kind: "provider",
            within: Within::Owner,
            uses: "EXISTS (SELECT 1 FROM deployments d WHERE d.pool_id = t.id AND d.provider_id = $1)",
        }]
    }

    /// What was read may be written again: of a member also its id and its provider's name, which are not looked at.
    fn check(&self, mut spec: Object, _: &Checking<'_>) -> Result<Object, Vec<FieldError>> {
        for member in spec.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(member) = member {
                member.remove("provider_name");
            }
        }
        let mut settings: PoolSettings = read(spec.into())?;
        settings.check()?;
        settings.members.iter_mut().for_each(|member| member.id = None);
        Ok(write(&settings))
    }

    fn read(&self, mut row: Object) -> Result<(Object, Object), StoreError> {
        let Some(Value::Array(stored)) = row.remove("members") else {
            return Err(StoreError::Corrupt("a pool's members"));
        };
        let (mut members, mut shown) = (Vec::with_capacity(stored.len()), Vec::with_capacity(stored.len()));
        for member in stored {
            let (id, provider_name, settings) = read_member(member).ok_or(StoreError::Corrupt("a pool's member"))?;
            let member = write(&settings);
            let mut with_id = member.clone();
            with_id.insert("id".into(), id);
            with_id.insert("provider_name".into(), provider_name);
            shown.push(Value::Object(with_id));
            members.push(Value::Object(member));
        }
        row.insert("members".into(), members.into());
        Ok((row, Object::from_iter([("members".to_owned(), shown.into())])))
    }

    /// What its members cost at most stands in the catalogs of whoever has a model that leads to it.
    fn outdates(&self, stored: &Stored) -> ChangeKind {
        ChangeKind::Catalog { tenant_id: stored.tenant_id }
    }

    fn affects_configuration(&self) -> bool {
        true
    }

    fn project<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        written: &'a Written<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        write_members(connection, written).boxed()
    }

    fn deletion(&self) -> &'static [&'static str] {
        &["DELETE FROM deployments WHERE pool_id = $1", "DELETE FROM pools WHERE id = $1"]
    }
}

fn read_member(member: Value) -> Option<(Value, Value, MemberSettings)> {
    let Value::Object(mut member) = member else { return None };
    let (id, provider_name) = (member.remove("id")?, member.remove("provider_name")?);
    let said = match member.remove("capabilities") {
        Some(Value::Object(said)) => said,
        _ => Said::new(),
    };
    let mut settings: MemberSettings = read(member.into()).ok()?;
    settings.capabilities = capabilities(Json(said));
    Some((id, provider_name, settings))
}

/// Writes a pool's members as deployments. A member that was there before (same provider, same model) keeps its deployment; its
/// price gets a new version only if it changed.
async fn write_members(connection: &mut PgConnection, written: &Written<'_>) -> Result<(), StoreError> {
    let settings: PoolSettings =
        read(written.spec.clone().into()).map_err(|_| StoreError::Corrupt("a pool that was checked"))?;
    let mut before: Vec<MemberRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {MEMBER_COLUMNS} FROM deployments WHERE pool_id = $1 ORDER BY position"
    )))
    .bind(written.id)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM deployments WHERE pool_id = $1").bind(written.id).execute(&mut *connection).await?;
    for (position, member) in settings.members.iter().enumerate() {
        let same = before.iter().position(|old| old.provider_id == member.provider_id && old.model == member.model);
        let same = same.map(|index| before.remove(index));
        let price_version = match &same {
            Some(old) if old.price.read()? == member.price => old.price_version.clone(),
            _ => member.price.as_ref().map(|_| format!("r{}", written.revision)),
        };
        let price = PriceColumns::of(member.price.as_ref());
        let next_prices = next_prices(member, same.as_ref(), written.revision, Utc::now());
        sqlx::query(
            "INSERT INTO deployments (id, owner_id, pool_id, position, provider_id, model, capabilities, price_version,
                 input_microusd_per_million, cached_input_microusd_per_million, cache_write_microusd_per_million,
                 cache_write_1h_microusd_per_million, output_microusd_per_million, reasoning_microusd_per_million,
                 price_details, next_prices)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(same.map_or_else(Uuid::now_v7, |old| old.id))
        .bind(written.tenant_id.unwrap_or_default())
        .bind(written.id)
        .bind(position as i16)
        .bind(member.provider_id)
        .bind(&member.model)
        .bind(Json(said(member.capabilities)))
        .bind(price_version)
        .bind(price.input_microusd_per_million)
        .bind(price.cached_input_microusd_per_million)
        .bind(price.cache_write_microusd_per_million)
        .bind(price.cache_write_1h_microusd_per_million)
        .bind(price.output_microusd_per_million)
        .bind(price.reasoning_microusd_per_million)
        .bind(price.price_details)
        .bind(Json(next_prices))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The prices to come, each under its version: one that was there before keeps it, and the time from which it holds.
fn next_prices(
    member: &MemberSettings,
    before: Option<&MemberRow>,
    revision: i64,
    now: DateTime<Utc>,
) -> Vec<StoredNextPrice> {
    let known = before.map_or(&[][..], |before| &before.next_prices);
    let store = |(index, next): (usize, &NextPrice)| {
        let same = known.iter().find(|known| known.valid_from == next.valid_from && known.price == next.price);
        same.cloned().unwrap_or_else(|| StoredNextPrice {
            version: format!("r{revision}.{}", index + 1),
            valid_from: next.valid_from,
            holds_from: next.valid_from.max(now).trunc_subsecs(6),
            price: next.price.clone(),
        })
    };
    member.next_prices.iter().enumerate().map(store).collect()
}

/// As it is stored.
fn said(capabilities: CapabilityOverrides) -> Said {
    write(&capabilities)
}

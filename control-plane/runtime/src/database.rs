use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use weir_dataplane::chain;
use weir_store::{Store, StoreError};

use crate::settings::DatabaseSettings;

/// Longest wait between two attempts to reach a database that is away.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Connects, once, to a database whose schema has what this version needs.
pub(crate) async fn connect(settings: &DatabaseSettings) -> anyhow::Result<Store> {
    let encryption = settings.encryption()?;
    let store = Store::connect(settings.database_url.expose_secret(), encryption).await;
    let store = store.context("the database (WEIR_DATABASE_URL) cannot be used")?;
    store.check_schema().await?;
    Ok(store)
}

/// What becomes of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Schema {
    /// It is brought up to date.
    Migrate,
    /// It is refused if it is too old.
    Check,
}

/// Connects and sees to the schema, however long Postgres takes to come up.
pub(crate) async fn connect_and_see_to(settings: &DatabaseSettings, schema: Schema) -> anyhow::Result<Store> {
    let encryption = settings.encryption()?;
    let mut wait = Duration::from_millis(250);
    loop {
        match ready(settings, &encryption, schema).await {
            Ok(store) => return Ok(store),
            Err(error) if error.is_away() => {
                let error = chain(&error);
                tracing::warn!(error, retry_in_ms = wait.as_millis() as u64, "Postgres does not answer yet");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn ready(
    settings: &DatabaseSettings,
    encryption: &weir_core::encryption::Encryption,
    schema: Schema,
) -> Result<Store, StoreError> {
    let store = Store::connect(settings.database_url.expose_secret(), encryption.clone()).await?;
    match schema {
        Schema::Migrate => store.migrate().await?,
        Schema::Check => store.check_schema().await?,
    }
    Ok(store)
}

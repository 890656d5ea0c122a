//! The Postgres of this test binary.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc;

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use weir_core::encryption::Encryption;
use weir_dev::ports;
use weir_dev::postgres::Postgres;
use weir_dev::settings::repository;
use weir_dev::throwaway::VARIABLE;
use weir_dev::tools::Tools;
use weir_store::Store;

/// The URL of a new, empty database.
pub(crate) async fn fresh_database() -> String {
    new_database("").await
}

/// Of a new one that has been migrated by a store with this key: a copy, since migrating takes longer than most tests.
pub(crate) async fn migrated_database(encryption: Encryption) -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE
        .get_or_init(|| async {
            let url = fresh_database().await;
            let store = Store::connect(&url, encryption).await.expect("a store");
            store.migrate().await.expect("migrations");
            // Postgres copies no database that somebody is connected with.
            store.close().await;
            url.rsplit_once('/').expect("a URL with a database").1.to_owned()
        })
        .await;
    new_database(&format!("TEMPLATE {template}")).await
}

/// One that folds letters of all scripts, as most operators' do. Ours knows the ASCII letters only.
pub(crate) async fn fresh_unicode_database() -> String {
    new_database("TEMPLATE template0 LOCALE 'C.UTF-8'").await
}

async fn new_database(options: &str) -> String {
    let server = server();
    let name = format!("weir_test_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(server).await.expect("a Postgres to test with");
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} {options}")))
        .execute(&mut connection)
        .await
        .expect("a database");
    let (base, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{base}/{name}")
}

/// The one that the environment names (`cargo xtask test` does), or else our own.
fn server() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var(VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        _ => own_server(),
    })
}

/// Starts a Postgres from a thread that lives as long as this process, since the kernel ends Postgres with that thread. Its
/// data stays under `target` for the next run; the databases of the run before go.
fn own_server() -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let started = runtime.block_on(start());
        let process = started.map(|(url, process)| {
            sender.send(Ok(url)).expect("the test waits");
            process
        });
        match process {
            Ok(_process) => loop {
                std::thread::park();
            },
            Err(error) => sender.send(Err(error)).expect("the test waits"),
        }
    });
    receiver.recv().expect("the thread says what happened").expect("a Postgres; or set WEIR_TEST_DATABASE_URL")
}

async fn start() -> Result<(String, weir_dev::process::Process)> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("admin-postgres");
    std::fs::create_dir_all(&home)?;
    let [port] = ports::choose([("the test database's port", 0)])?;
    let tools = Tools::at(repository()?.join(".weir/tools"));
    let postgres = Postgres::prepare(&tools, &home, home.join("postgres.log"), port, "test").await?.forgetful();
    let process = postgres.start().await?;
    let mut connection = PgConnection::connect(&postgres.url()).await.context("cannot connect")?;
    let old: Vec<(String,)> = sqlx::query_as("SELECT datname FROM pg_database WHERE datname LIKE 'weir\\_test\\_%'")
        .fetch_all(&mut connection)
        .await?;
    for (name,) in old {
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name}"))).execute(&mut connection).await?;
    }
    Ok((postgres.url(), process))
}

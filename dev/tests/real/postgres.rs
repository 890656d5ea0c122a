//! A Postgres from the tools folder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use weir_dev::ports;
use weir_dev::postgres::Postgres;
use weir_dev::tools::Tools;

fn tools() -> Tools {
    let folder = std::env::var_os("WEIR_TOOLS_DIR").map(PathBuf::from);
    Tools::at(folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.weir/tools")))
}

fn query(url: &str, statement: &str) -> String {
    let programs = tools().postgres().expect("no Postgres: run `cargo xtask setup`");
    let mut psql = Command::new(programs.join("psql"));
    let output =
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", statement, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn data_outlives_a_stop_and_a_kill() {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let [port] = ports::choose([("the port", 0)]).unwrap();
    let log = home.path().join("postgres.log");
    let tools = tools();
    let prepare = || Postgres::prepare(&tools, home.path(), log.clone(), port, "secret");

    let postgres = prepare().await.unwrap();
    let mut process = postgres.start().await.unwrap();
    query(&postgres.url(), "CREATE TABLE kept (number int); INSERT INTO kept VALUES (1)");
    assert_eq!(query(&postgres.url(), "SHOW fsync"), "on");
    assert!(Postgres::stop(&mut process).await);

    // The same data, not a new folder; then without a chance to say goodbye.
    let postgres = prepare().await.unwrap();
    let mut process = postgres.start().await.unwrap();
    query(&postgres.url(), "INSERT INTO kept VALUES (2)");
    assert!(process.stop(libc::SIGKILL, Duration::from_secs(10)).await);
    let mut process = postgres.start().await.unwrap();
    assert_eq!(query(&postgres.url(), "SELECT sum(number) FROM kept"), "3");
    assert!(Postgres::stop(&mut process).await);
}

#[tokio::test]
async fn a_password_is_needed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let [port] = ports::choose([("the port", 0)]).unwrap();
    let log = home.path().join("postgres.log");
    let postgres = Postgres::prepare(&tools(), home.path(), log, port, "secret").await.unwrap();
    let mut process = postgres.start().await.unwrap();
    let programs = tools().postgres().unwrap();
    let wrong = postgres.url().replace("secret", "guess");
    let output = Command::new(programs.join("psql")).args(["--command", "SELECT 1", &wrong]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("password authentication failed"), "{said}");
    assert!(Postgres::stop(&mut process).await);
}

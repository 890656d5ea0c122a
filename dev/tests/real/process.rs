//! What starts a part may die.

use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;
use weir_dev::process::Process;

/// Whether a process still runs; one that has died and waits to be reaped does not.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

async fn ends(pid: u32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while runs(pid) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    !runs(pid)
}

#[tokio::test]
async fn a_part_dies_with_the_thread_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let starter = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = Process::start("the sleeper", command, &log, libc::SIGTERM).unwrap();
        assert!(runs(process.pid()));
        process.pid()
    });
    let pid = starter.join().unwrap();
    assert!(ends(pid).await, "process {pid} outlived its starter");
}

#[tokio::test]
async fn a_part_that_does_not_end_when_asked_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let (log, child) = (folder.path().join("log"), folder.path().join("child"));
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' TERM; sleep 600 & echo $! > $CHILD.new; mv $CHILD.new $CHILD; while :; do wait; done"]);
    command.env("CHILD", &child);
    let mut process = Process::start("the stubborn one", command, &log, libc::SIGKILL).unwrap();
    process.until(Duration::from_secs(10), || async { child.exists() }).await.unwrap();
    let child: u32 = std::fs::read_to_string(&child).unwrap().trim().parse().unwrap();
    assert!(!process.stop(libc::SIGTERM, Duration::from_millis(100)).await);
    assert!(ends(child).await, "its child {child} is still there");
}

#[tokio::test]
async fn one_that_dies_at_its_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo no such table; exit 7"]);
    let mut process = Process::start("the failing one", command, &folder.path().join("log"), libc::SIGKILL).unwrap();
    let error = process.until(Duration::from_secs(10), || async { false }).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 7") && error.contains("no such table"), "{error}");
}

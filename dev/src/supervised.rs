//! A part that is started again when it dies.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::process::Process;

/// First wait before a new start; doubled for each failure in a row.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A part that ran this long has not failed at its start.
const STABLE: Duration = Duration::from_secs(20);

/// A part of the system.
pub struct Supervised {
    /// For messages: `the control plane`.
    pub name: &'static str,
    spawn: Box<dyn Fn() -> Result<Process>>,
    state: State,
    failures: u32,
}

enum State {
    Running { process: Box<Process>, since: Instant },
    Waiting { until: Instant },
}

impl Supervised {
    /// Starts it for the first time.
    pub fn start(name: &'static str, spawn: impl Fn() -> Result<Process> + 'static) -> Result<Supervised> {
        let process = spawn()?;
        Ok(Supervised::running(name, process, spawn))
    }

    /// Looks after one that runs already.
    pub fn running(name: &'static str, process: Process, spawn: impl Fn() -> Result<Process> + 'static) -> Supervised {
        let state = State::Running { process: Box::new(process), since: Instant::now() };
        Supervised { name, spawn: Box::new(spawn), state, failures: 0 }
    }

    /// The running process; `None` while it waits for a new start.
    pub fn process(&mut self) -> Option<&mut Process> {
        match &mut self.state {
            State::Running { process, .. } => Some(process),
            State::Waiting { .. } => None,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        match &self.state {
            State::Running { process, .. } => Some(process.pid()),
            State::Waiting { .. } => None,
        }
    }

    /// Waits until it has died or was started again; answers what to say about it. May be dropped and called again.
    pub async fn changed(&mut self) -> String {
        match &mut self.state {
            State::Running { process, since } => {
                let status = process.ended().await;
                self.failures = if since.elapsed() > STABLE { 0 } else { self.failures + 1 };
                let wait = backoff(self.failures);
                let message = format!(
                    "{} ended ({status}); starting it again in {:.1} s. {}",
                    self.name,
                    wait.as_secs_f32(),
                    process.tail()
                );
                self.state = State::Waiting { until: Instant::now() + wait };
                message
            }
            State::Waiting { until } => {
                tokio::time::sleep_until(*until).await;
                match (self.spawn)() {
                    Ok(process) => {
                        let message = format!("{} runs again (process {})", self.name, process.pid());
                        self.state = State::Running { process: Box::new(process), since: Instant::now() };
                        message
                    }
                    Err(error) => {
                        self.failures += 1;
                        *until = Instant::now() + backoff(self.failures);
                        format!("{} could not be started again: {error:#}", self.name)
                    }
                }
            }
        }
    }
}

fn backoff(failures: u32) -> Duration {
    LONGEST_WAIT.min(FIRST_WAIT * 2_u32.saturating_pow(failures.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        let waits: Vec<_> = [0, 1, 2, 3, 40].map(backoff).iter().map(Duration::as_millis).collect();
        assert_eq!(waits, [200, 200, 400, 800, 10_000]);
    }

    #[tokio::test]
    async fn what_dies_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/part.log");
        let start = move || {
            let mut command = Command::new("sh");
            command.args(["-c", "echo last words; exit 3"]);
            Process::start("the part", command, &log, libc::SIGKILL)
        };
        let mut part = Supervised::start("the part", start).unwrap();
        let first = part.pid();
        let died = part.changed().await;
        assert!(died.contains("exit status: 3") && died.contains("last words"), "{died}");
        assert_eq!(part.pid(), None);
        let again = part.changed().await;
        assert!(again.contains("runs again"), "{again}");
        assert_ne!(part.pid(), first);
    }
}

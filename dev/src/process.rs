//! A child process that cannot outlive us, and what it wrote.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::settings::PROVIDER_KEYS;

/// Lines of a log that are shown when a part fails.
const TAIL_LINES: usize = 25;

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: tokio::process::Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    ///
    /// It gets a process group of its own, so that a Ctrl-C in the terminal reaches only us and we end the parts in
    /// order. `death_signal` is what the kernel sends it if we are killed; it goes by the thread that called this, which
    /// must therefore live as long as the process (the runtime of `weir-dev` has one thread).
    pub fn start(name: &'static str, mut command: Command, log: &Path, death_signal: i32) -> Result<Process> {
        let file = append(log)?;
        // They travel by the admin API and SDS; in a part's environment they would be there for whoever looks into it.
        for variable in PROVIDER_KEYS {
            command.env_remove(variable);
        }
        let parent = std::process::id();
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        #[expect(unsafe_code, reason = "the only way to set the parent-death signal; both calls are async-signal-safe")]
        // SAFETY: between fork and exec the closure only makes system calls and allocates nothing.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, death_signal) != 0 {
                    return Err(io::Error::last_os_error());
                }
                // The parent may have died before the line above.
                if libc::getppid() as u32 != parent {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Ok(())
            });
        }
        let program = command.get_program().to_owned();
        let child = tokio::process::Command::from(command)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        Ok(Process { name, child, log: log.to_owned() })
    }

    /// Process id; 0 once it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap_or_else(|_| ExitStatus::from_raw(0))
    }

    /// Waits until `ready`, at most `limit`; an error with the end of the log if it dies or takes too long.
    pub async fn until<F: Future<Output = bool>>(&mut self, limit: Duration, ready: impl Fn() -> F) -> Result<()> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start ({status})\n{}", self.name, self.tail());
            }
            if ready().await {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                bail!("{} was not ready within {} s\n{}", self.name, limit.as_secs(), self.tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks it to end with `signal`; after `patience` it is killed. Answers whether it ended when asked.
    pub async fn stop(&mut self, signal: i32, patience: Duration) -> bool {
        self.signal(signal);
        if tokio::time::timeout(patience, self.child.wait()).await.is_ok() {
            return true;
        }
        // Its whole group: Postgres has children.
        self.signal_group(libc::SIGKILL);
        let _ = self.child.wait().await;
        false
    }

    /// The end of its log, for a person.
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        format!("the end of {}:\n  {}", self.log.display(), tail.join("\n  "))
    }

    fn signal(&self, signal: i32) {
        if let Some(pid) = self.child.id() {
            send(pid as i32, signal);
        }
    }

    fn signal_group(&self, signal: i32) {
        if let Some(pid) = self.child.id() {
            send(-(pid as i32), signal);
        }
    }
}

fn send(pid: i32, signal: i32) {
    #[expect(unsafe_code, reason = "kill(2) has no safe wrapper in the standard library")]
    // SAFETY: the call touches no memory; the child is not reaped yet, so its id is still its own.
    unsafe {
        libc::kill(pid, signal);
    }
}

fn append(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    OpenOptions::new().create(true).append(true).open(log).with_context(|| log.display().to_string())
}

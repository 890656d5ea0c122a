//! A Postgres of our own: started from the wheel, or from the machine's packages.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Process;
use crate::reach::{self, Account};
use crate::settings::LOOPBACK;
use crate::tools::{Tools, machine_postgres};

/// The only user, and the name of the database.
const NAME: &str = "weir";
/// Starting takes a tenth of a second; recovery after a kill may take longer.
const START: Duration = Duration::from_secs(60);
/// For a fast shutdown, which writes a checkpoint.
const STOP: Duration = Duration::from_secs(20);
/// For one that a killed run left behind.
const LEFTOVER: Duration = Duration::from_secs(15);

/// Where a Postgres lives and how to start it, again and again on the same data.
#[derive(Debug, Clone)]
pub struct Postgres {
    programs: PathBuf,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    password: String,
    /// Whether a commit waits for the disk.
    durable: bool,
    /// Postgres refuses to run as root.
    account: Option<Account>,
}

impl Postgres {
    /// Makes the data folder in `home` unless it is there, so that `start` can run. The log goes to `log`.
    pub async fn prepare(tools: &Tools, home: &Path, log: PathBuf, port: u16, password: &str) -> Result<Postgres> {
        let programs = tools.postgres().or_else(machine_postgres).context(
            "no Postgres: `cargo xtask setup` installs one; or set DATABASE_URL, or install the package `postgresql`",
        )?;
        let account = Account::for_postgres()?;
        let (home, programs) = match &account {
            Some(account) => reach::open_to(account, home, &programs)?,
            None => (home.to_owned(), programs),
        };
        let postgres = Postgres {
            programs,
            data: home.join("postgres"),
            log,
            port,
            password: password.into(),
            durable: true,
            account,
        };
        if !postgres.data.join("PG_VERSION").exists() {
            postgres.create().await?;
        }
        Ok(postgres)
    }

    /// The same for data that goes with the command: nothing waits for the disk.
    #[must_use]
    pub fn forgetful(self) -> Postgres {
        Postgres { durable: false, ..self }
    }

    /// URL with user, password and database.
    pub fn url(&self) -> String {
        format!("postgres://{NAME}:{}@{LOOPBACK}:{}/{NAME}", self.password, self.port)
    }

    /// Starts the server and waits until it takes connections.
    pub async fn start(&self) -> Result<Process> {
        self.wait_for_leftover().await?;
        let mut process = self.spawn()?;
        // The eighth line of this file is what Postgres' own `pg_ctl` waits for; the first tells a killed one's file from
        // this one's.
        let (status, pid) = (self.data.join("postmaster.pid"), process.pid().to_string());
        let ready = || async {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let mut lines = text.lines();
            lines.next() == Some(&pid) && lines.nth(6).is_some_and(|line| line.trim() == "ready")
        };
        process.until(START, ready).await?;
        Ok(process)
    }

    /// Starts the server without waiting.
    pub fn spawn(&self) -> Result<Process> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data);
        for setting in [
            format!("listen_addresses={LOOPBACK}"),
            format!("port={}", self.port),
            // Loopback only: no socket file, whose path could be too long for the kernel.
            "unix_socket_directories=".into(),
            format!("fsync={}", if self.durable { "on" } else { "off" }),
            "max_connections=200".into(),
            // A failed statement's values and the row in its way may be somebody's address.
            "log_error_verbosity=terse".into(),
            "log_min_error_statement=panic".into(),
        ] {
            command.arg("-c").arg(setting);
        }
        // SIGINT is Postgres' fast shutdown: it ends its sessions and leaves clean data.
        Process::start("Postgres", command, &self.log, libc::SIGINT)
    }

    /// Fast shutdown. Answers whether it ended when asked.
    pub async fn stop(process: &mut Process) -> bool {
        process.stop(libc::SIGINT, STOP).await
    }

    async fn create(&self) -> Result<()> {
        let folder = self.data.parent().context("no parent folder")?;
        // An `initdb` that was interrupted leaves a folder that the next one would refuse.
        let unfinished = folder.join("postgres.new");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
        }
        std::fs::create_dir_all(&unfinished)?;
        let mut password = tempfile_for(&folder.join("postgres.password"), &self.password)?;
        if let Some(account) = &self.account {
            chown(&unfinished, Some(account.uid), Some(account.gid))?;
            chown(&password.path, Some(account.uid), Some(account.gid))?;
        }
        let mut initdb = self.command("initdb");
        initdb
            // Without waiting for the disk: what a crash of the machine in the next seconds could lose is a database still empty.
            .args(["--username", NAME, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"])
            .arg("--pwfile")
            .arg(&password.path)
            .arg("--pgdata")
            .arg(&unfinished);
        run(initdb, "").await?;
        password.remove();
        let mut single = self.command("postgres");
        single.args(["--single", "-D"]).arg(&unfinished).arg("postgres");
        run(single, &format!("CREATE DATABASE {NAME}\n")).await?;
        std::fs::rename(&unfinished, &self.data)?;
        Ok(())
    }

    /// Waits until a server that still runs on this data has ended: a killed run's shuts down by itself.
    async fn wait_for_leftover(&self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + LEFTOVER;
        while let Some(pid) = self.running() {
            if tokio::time::Instant::now() > deadline {
                bail!("another Postgres (process {pid}) runs on {}: stop it first", self.data.display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// A process that works in the data folder, as each of Postgres' does: also the children of one that was killed,
    /// which end a moment later and until then keep a new one from starting.
    fn running(&self) -> Option<u32> {
        let processes = std::fs::read_dir("/proc").ok()?.flatten();
        let mut ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
        ids.find(|pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == self.data))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // Its own folder, which the account may enter; the user's settings for `psql` and the like must not matter.
        command.current_dir("/").env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }
}

/// A file with one line that goes when it is no longer needed.
struct Line {
    path: PathBuf,
}

impl Line {
    fn remove(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.remove();
    }
}

fn tempfile_for(path: &Path, text: &str) -> Result<Line> {
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::File::create_new(path).with_context(|| path.display().to_string())?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    writeln!(file, "{text}")?;
    Ok(Line { path: path.to_owned() })
}

/// Runs a program to its end with this input; an error with its output if it fails.
async fn run(mut command: Command, input: &str) -> Result<()> {
    let program = command.get_program().to_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // A single-user Postgres that fails a statement ends with success.
    if !output.status.success() || text.contains("ERROR:") {
        bail!("{} failed ({})\n{text}", program.display(), output.status);
    }
    Ok(())
}

//! Starts the real parts of Weir on one machine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use weir_dev::provider::Listen;
use weir_dev::settings::{LOOPBACK, Settings};
use weir_dev::{replay, run, throwaway, validate};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts Postgres, the control plane, Envoy and (without a real provider's key) a demo provider; Ctrl-C ends them.
    Run(Box<Settings>),
    /// Serves the demo provider alone.
    Provider {
        /// Port on the loopback interface; 0: any that is free.
        #[arg(long)]
        port: u16,
        #[command(flatten)]
        listen: Listen,
    },
    /// Asks Envoy whether it accepts each configuration in the folder `envoy/`.
    Validate {
        /// Folder of the Python environment that holds Envoy.
        #[arg(long, env = "WEIR_TOOLS_DIR", default_value = ".weir/tools")]
        tools_dir: PathBuf,
        /// The filters, for configurations that load them from a file.
        #[arg(long, env = "WEIR_WASM", default_value = "target/weir.wasm")]
        wasm: PathBuf,
    },
    /// Takes a recorded request and answer through the filters' cores: what was read, written, left out and why.
    Replay {
        /// The recording: JSON, as the documentation of the module `replay` describes it.
        file: PathBuf,
    },
    /// Runs a command with a fresh Postgres, whose URL is in WEIR_TEST_DATABASE_URL.
    Postgres {
        /// Folder of the Python environment that holds Postgres.
        #[arg(long, env = "WEIR_TOOLS_DIR", default_value = ".weir/tools")]
        tools_dir: PathBuf,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

// One thread: the kernel ends our children when the thread that started them ends, so it must be the one that lasts.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match start(Arguments::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(settings) => run::run(*settings).await?,
        Command::Provider { port, listen } => match listen.serve((LOOPBACK, port).into()).await? {},
        Command::Validate { tools_dir, wasm } => validate::validate(&tools_dir, &wasm)?,
        Command::Replay { file } => print!("{}", replay::replay(&file)?),
        Command::Postgres { tools_dir, command } => {
            let status = throwaway::with_postgres(tools_dir, &command).await?;
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Ok(ExitCode::from(code));
        }
    }
    Ok(ExitCode::SUCCESS)
}

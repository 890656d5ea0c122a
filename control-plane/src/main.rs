//! `weir`: the control plane's command line. Reads arguments and runs; everything else is in `weir-runtime`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use uuid::Uuid;
use weir_client::{ApplySettings, ClientError, ExportSettings, Outcome, RevertSettings};
use weir_drain::DrainSettings;
use weir_install::{EnvoySettings, RouteSettings};
use weir_runtime::{DatabaseSettings, ServeSettings};
use weir_support::SupportSettings;

/// Control plane of Weir: policies for LLM traffic through Envoy.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What is logged to standard error, as in `info,weir_xds=debug`.
    #[arg(long, env = "WEIR_LOG", default_value = "info,sqlx=warn", global = true)]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Brings the schema up to date, then serves admins and Envoys until SIGTERM or SIGINT.
    Serve(Box<ServeSettings>),
    /// Brings the database's schema up to date.
    Migrate(DatabaseSettings),
    /// Encrypts everything anew that is not under the first master key of the ring, while control planes serve. Can be repeated.
    Rekey(DatabaseSettings),
    /// Platform administrators.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Gateways: fleets of Envoys with one token each.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The usage ledger.
    #[command(subcommand)]
    Usage(UsageCommand),
    /// Data to look at the console with.
    #[command(subcommand)]
    Demo(DemoCommand),
    /// Brings the objects of YAML files about, all or nothing, over the admin API. Exit code: 0 done, 1 refused, 3 a dry run found
    /// something to do, 4 no answer came, so what was done is not known.
    Apply(Box<ApplySettings>),
    /// Prints all objects as YAML that `apply` takes, with names of environment variables in the place of secrets.
    Export(ExportSettings),
    /// Makes the objects of a revision as they were before it, as a new revision. Exit codes as with `apply`.
    Revert(RevertSettings),
    /// Prints what Envoys need to run Weir.
    #[command(subcommand)]
    Install(InstallCommand),
    /// Writes a bundle for whoever is to find out why something does not work: versions, nodes, Envoys' configurations and counters, the
    /// ends of logs, all without secrets. What could not be had is said on standard error. Exit code: 0 there is a bundle.
    Support(SupportSettings),
    /// Prints the roles that always exist, and what each operation of the admin API takes.
    Roles,
    /// Prints the admin API's OpenAPI document.
    Openapi,
    /// Prints the part of an Envoy's bootstrap that writes Envoy's own refusals in the client's schema.
    LocalReplies,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Makes a platform administrator.
    Create {
        #[command(flatten)]
        database: DatabaseSettings,
        /// Address to log in with.
        #[arg(long)]
        email: String,
        /// Reads the password, of at least 12 characters, from standard input: arguments can be seen by others.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

#[derive(Subcommand)]
enum GatewayCommand {
    /// Makes a gateway and prints its token, and nothing else. It is shown this once.
    Create {
        #[command(flatten)]
        database: DatabaseSettings,
        /// For people.
        #[arg(long)]
        name: String,
        /// Id of the only tenant that it serves. By default it serves all.
        #[arg(long)]
        tenant: Option<Uuid>,
        #[command(flatten)]
        form: TokenForm,
    },
    /// Prints a line for each gateway: name, id, the only tenant that it serves, and until when former tokens are accepted, with tabs
    /// between them.
    List(DatabaseSettings),
    /// Gives a gateway another token and prints it, and nothing else. It is shown this once.
    Rotate {
        #[command(flatten)]
        database: DatabaseSettings,
        /// What it is called.
        #[arg(long)]
        name: String,
        /// For how many seconds the present token is still accepted, at most 30 days. 0 ends it at once, and all that were before it.
        #[arg(long, default_value_t = 24 * 60 * 60)]
        overlap_seconds: u64,
        #[command(flatten)]
        form: TokenForm,
    },
    /// Ends the work of an Envoy, by its admin interface, so that nothing is lost: clients are told to go elsewhere, requests under way
    /// finish, their usage is delivered, what is held of limits is given back. Exit code: 0 all was finished, 1 not, or it is not known.
    Drain(DrainSettings),
    /// Deletes a gateway: its tokens are refused from now on.
    Delete {
        #[command(flatten)]
        database: DatabaseSettings,
        /// What it is called.
        #[arg(long)]
        name: String,
    },
}

#[derive(Subcommand)]
enum InstallCommand {
    /// Prints the bootstrap of an Envoy that runs Weir: of one that does nothing else, or yours with Weir added, of which nothing changes.
    /// What there is to know besides goes to standard error.
    Envoy(EnvoySettings),
    /// Prints what leads a host of an Istio ingress gateway to Weir's Envoys: a VirtualService and a DestinationRule.
    Istio(RouteSettings),
    /// Prints what leads a host of a Gateway of Envoy Gateway's to Weir's Envoys: an HTTPRoute and a BackendTrafficPolicy.
    EnvoyGateway(RouteSettings),
}

/// How a gateway's token is printed.
#[derive(clap::Args)]
struct TokenForm {
    /// Prints it as the file that Envoy's bootstrap reads it from.
    #[arg(long)]
    sds: bool,
}

impl TokenForm {
    fn print(&self, token: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout();
        if self.sds { writeln!(out, "{}", weir_runtime::token_file(token)) } else { writeln!(out, "{token}") }
    }
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Reads the whole audit log, says whether it is as it was written, and which entries are not. Exit code: 0 it is, 1 it is not or could
    /// not be read.
    Verify {
        #[command(flatten)]
        database: DatabaseSettings,
        /// What `weir audit head` printed earlier: tells whether the end was cut off, or all of it written anew.
        #[arg(long)]
        head: Option<PathBuf>,
    },
    /// Prints what the audit log has come to, signed with a key that follows from the master key. Keep it outside of the database.
    Head(DatabaseSettings),
}

#[derive(Subcommand)]
enum UsageCommand {
    /// Puts the records of an Envoy's log into the ledger, each once, however often it is imported and whatever way it came before. Names
    /// the lines of those that were refused, or were there. Exit code: 0 all are in the ledger, 1 some were refused or it failed.
    Import {
        #[command(flatten)]
        database: DatabaseSettings,
        /// The gateway whose Envoy wrote the log, by its name.
        #[arg(long)]
        gateway: String,
        /// The log; `-`: standard input.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum DemoCommand {
    /// Makes tenants with what they have, and thirty days of their usage. Does nothing where they are there.
    Seed {
        #[command(flatten)]
        database: DatabaseSettings,
        /// Also in a database that has tenants, providers or usage of its own.
        #[arg(long)]
        force: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    weir_runtime::log_to_stderr(&arguments.log)?;
    let mut out = std::io::stdout();
    match arguments.command {
        Command::Apply(settings) => {
            return told(weir_client::apply(&settings, |name| std::env::var(name).ok(), &mut out).await);
        }
        Command::Export(settings) => {
            return told(weir_client::export(&settings, &mut out).await.map(|()| Outcome::Done));
        }
        Command::Audit(AuditCommand::Verify { database, head }) => {
            return verify_audit(&database, head.as_deref()).await;
        }
        Command::Usage(UsageCommand::Import { database, gateway, file }) => {
            return import_usage(&database, &gateway, &file).await;
        }
        Command::Revert(settings) => return told(weir_client::revert(&settings, &mut out).await),
        Command::Gateway(GatewayCommand::Drain(settings)) => return drain(&settings).await,
        Command::Support(settings) => {
            for missing in weir_support::support(&settings).await? {
                writeln!(std::io::stderr(), "not in it: {missing}")?;
            }
            if settings.output != Path::new("-") {
                writeln!(out, "{}", settings.output.display())?;
            }
        }
        Command::Install(what) => {
            let printed = match what {
                InstallCommand::Envoy(settings) => weir_install::envoy(&settings)?,
                InstallCommand::Istio(settings) => weir_install::istio(&settings)?,
                InstallCommand::EnvoyGateway(settings) => weir_install::envoy_gateway(&settings)?,
            };
            for note in &printed.notes {
                writeln!(std::io::stderr(), "{note}")?;
            }
            out.write_all(printed.text.as_bytes())?;
        }
        command => run(command).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a command failed, in lines, and what its exit code says of that.
fn told(done: Result<Outcome, ClientError>) -> anyhow::Result<ExitCode> {
    match done {
        Ok(outcome) => Ok(outcome.exit_code()),
        Err(error) => {
            let code = error.exit_code();
            writeln!(std::io::stderr(), "{:#}", anyhow::Error::from(error))?;
            Ok(code)
        }
    }
}

/// Says what was not finished.
async fn drain(settings: &DrainSettings) -> anyhow::Result<ExitCode> {
    let weir_drain::Unfinished { requests, records } = weir_drain::drain(settings).await?;
    if requests == 0 && records == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        std::io::stderr(),
        "{requests} requests were under way, and {records} usage records may not be in the ledger"
    )?;
    Ok(ExitCode::FAILURE)
}

/// Says what came of it.
async fn verify_audit(database: &DatabaseSettings, head: Option<&Path>) -> anyhow::Result<ExitCode> {
    let check = weir_runtime::verify_audit(database, head).await?;
    let mut out = std::io::stdout();
    for fault in &check.faults {
        writeln!(out, "{fault}")?;
    }
    writeln!(
        out,
        "{} entries, the last is {}; {} were dropped as their time was over; {} signed heads were compared",
        check.entries, check.last, check.dropped, check.heads
    )?;
    let (said, code) =
        if check.faults.is_empty() { ("intact", ExitCode::SUCCESS) } else { ("not intact", ExitCode::FAILURE) };
    writeln!(out, "{said}")?;
    Ok(code)
}

/// Says what came of it.
async fn import_usage(database: &DatabaseSettings, gateway: &str, file: &Path) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let log: Box<dyn std::io::Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?),
    };
    let summary = weir_runtime::import_usage(database, gateway, std::io::BufReader::new(log), &mut out).await?;
    let weir_runtime::ImportSummary { stored, known, refused, others } = summary;
    writeln!(out, "{stored} records imported, {known} were there, {refused} refused; {others} lines without a record")?;
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(settings) => weir_runtime::serve(*settings).await,
        Command::Migrate(database) => weir_runtime::migrate(&database).await,
        Command::Rekey(database) => {
            let said = weir_runtime::rekey(&database).await?;
            Ok(writeln!(std::io::stdout(), "{said}")?)
        }
        Command::Admin(AdminCommand::Create { database, email, password_stdin: _ }) => {
            let mut password = String::new();
            std::io::stdin().read_to_string(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            weir_runtime::create_admin(&database, email, password.into()).await
        }
        Command::Gateway(GatewayCommand::Create { database, name, tenant, form }) => {
            let token = weir_runtime::create_gateway(&database, name, tenant).await?;
            Ok(form.print(&token)?)
        }
        Command::Demo(DemoCommand::Seed { database, force }) => {
            let requests = weir_runtime::seed_demo(&database, force).await?;
            Ok(writeln!(std::io::stdout(), "{requests} requests")?)
        }
        Command::Gateway(GatewayCommand::List(database)) => {
            for gateway in weir_runtime::list_gateways(&database).await? {
                let weir_runtime::GatewayLine { name, id, tenant_id, former_tokens_until } = gateway;
                let tenant = tenant_id.map(|id| id.to_string()).unwrap_or_default();
                writeln!(std::io::stdout(), "{name}\t{id}\t{tenant}\t{former_tokens_until}")?;
            }
            Ok(())
        }
        Command::Gateway(GatewayCommand::Rotate { database, name, overlap_seconds, form }) => {
            let token = weir_runtime::rotate_gateway(&database, &name, overlap_seconds).await?;
            Ok(form.print(&token)?)
        }
        Command::Gateway(GatewayCommand::Delete { database, name }) => {
            weir_runtime::delete_gateway(&database, &name).await
        }
        Command::Audit(AuditCommand::Head(database)) => {
            let head = weir_runtime::audit_head(&database).await?;
            Ok(writeln!(std::io::stdout(), "{head}")?)
        }
        Command::Audit(AuditCommand::Verify { .. })
        | Command::Apply(_)
        | Command::Export(_)
        | Command::Gateway(GatewayCommand::Drain(_))
        | Command::Install(_)
        | Command::Support(_)
        | Command::Revert(_)
        | Command::Usage(_) => Ok(()),
        Command::LocalReplies => Ok(std::io::stdout().write_all(weir_runtime::local_replies_yaml().as_bytes())?),
        Command::Openapi => Ok(std::io::stdout().write_all(weir_runtime::openapi().as_bytes())?),
        Command::Roles => Ok(std::io::stdout().write_all(weir_runtime::roles().as_bytes())?),
    }
}

//! `make run`: everything on this machine, in the foreground.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::admin::{Admin, http_client};
use crate::control_plane::{self, ControlPlane};
use crate::envoy::{self, Envoy};
use crate::parts::Parts;
use crate::postgres::Postgres;
use crate::process::Process;
use crate::seed;
use crate::settings::{BOOTSTRAP, LOOPBACK, Settings, repository};
use crate::state::{RunFile, Secrets, Seeded, State};
use crate::supervised::Supervised;
use crate::tools::Tools;
use crate::{greeting, ports};

/// For one part to be ready.
const START: Duration = Duration::from_secs(60);
/// For the first configuration to reach Envoy: the filters are compiled on the way.
const FIRST_ANSWER: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// Starts everything, waits for a signal, ends everything.
pub async fn run(settings: Settings) -> Result<()> {
    let settings = settings.normalised();
    let mut signals = Signals::listen()?;
    let http = http_client()?;
    let state = State::open(&repository()?.join(&settings.state_dir))?;
    let mut parts = Parts::default();
    let outcome = tokio::select! {
        started = start(&settings, &state, &mut parts, &http) => started.map(Some),
        () = signals.next() => Ok(None),
    };
    let outcome = match outcome {
        Ok(Some(file)) => supervise(&state, file, &mut parts, &mut signals).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    state.remove("run.json")?;
    if parts.any() {
        println!("\nStopping …");
    }
    let wrong = tokio::select! {
        wrong = parts.stop(&http) => wrong,
        // The kernel ends the children when we go.
        () = signals.impatient() => std::process::exit(130),
    };
    for message in wrong {
        println!("{message}");
    }
    outcome
}

async fn supervise(state: &State, mut file: RunFile, parts: &mut Parts, signals: &mut Signals) -> Result<()> {
    loop {
        let message = tokio::select! {
            message = parts.changed() => message,
            () = signals.next() => return Ok(()),
        };
        println!("{message}");
        file.pids = parts.pids();
        state.write_private("run.json", &serde_json::to_vec_pretty(&file)?)?;
    }
}

async fn start(settings: &Settings, state: &State, parts: &mut Parts, http: &reqwest::Client) -> Result<RunFile> {
    let repository = repository()?;
    let envoy_binary = match &settings.envoy_binary {
        Some(path) => path.clone(),
        None => Tools::at(repository.join(&settings.tools_dir)).envoy()?,
    };
    let module = repository.join(&settings.wasm);
    if !module.is_file() {
        bail!("no filters at {}: run `cargo xtask wasm`, or set WEIR_WASM", module.display());
    }
    let binary = control_plane::binary(settings.binary.as_deref())?;
    let ports = Ports::choose(settings)?;
    let mut secrets = state.secrets()?;

    let database_url = match &settings.database_url {
        Some(url) => url.clone(),
        None => start_postgres(settings, &repository, state, ports.postgres, &secrets, parts).await?,
    };

    let control_plane = ControlPlane {
        binary,
        database_url: database_url.clone(),
        master_key: state.master_key()?,
        module,
        http_port: ports.admin,
        grpc_port: ports.xds,
        gateway_url: format!("http://{LOOPBACK}:{}", ports.gateway),
        log: state.path("logs/control-plane.log"),
    };
    start_control_plane(&control_plane, parts, http).await?;
    let mut admin = log_in(&control_plane, &secrets, http).await?;

    let seeded = match secrets.seeded.clone() {
        Some(seeded) => seeded,
        None => {
            step("First run: a tenant, providers, models and a key");
            let seeded = seed::seed(&mut admin, settings, ports.demo_provider).await?;
            secrets.seeded = Some(seeded.clone());
            state.keep(&secrets)?;
            seeded
        }
    };
    if settings.demo == "1" {
        step("Demo data: four tenants and thirty days of their usage");
        control_plane.seed_demo().await?;
    }
    if seeded.demo {
        if !seed::is_demo(settings) {
            println!(
                "Note: this state folder was set up with the demo provider, which goes on serving. Register your \
                      provider in the console, or run `make clean` first."
            );
        }
        step("Demo provider");
        seed::follow_demo_port(&mut admin, ports.demo_provider).await?;
        start_provider(ports.demo_provider, state, parts)?;
    }

    let token = gateway_token(&control_plane, state, &mut secrets).await?;
    state.write_private(envoy::TOKEN_FILE, envoy::token_file(&token).as_bytes())?;
    let token_file = state.path(envoy::TOKEN_FILE);
    let template = repository.join(BOOTSTRAP);
    let filled = envoy::local_bootstrap(
        &template,
        &token_file,
        [ports.gateway, ports.envoy_admin, ports.xds],
        settings.envoy_max_heap_bytes,
    )?;
    state.write_private("envoy.yaml", filled.as_bytes())?;
    let envoy = Envoy {
        binary: envoy_binary,
        bootstrap: state.path("envoy.yaml"),
        log: state.path("logs/envoy.log"),
        admin_port: ports.envoy_admin,
        concurrency: settings.envoy_concurrency,
    };
    let file = RunFile {
        gateway_url: format!("http://{LOOPBACK}:{}", ports.gateway),
        console_url: control_plane.url(),
        admin_email: secrets.admin_email.clone(),
        admin_password: secrets.admin_password.clone(),
        api_key: seeded.api_key.clone(),
        envoy_admin_url: envoy.admin_url(),
        database_url,
        demo_provider_url: seeded.demo.then(|| seed::demo_url(ports.demo_provider)),
        xds_address: format!("{LOOPBACK}:{}", ports.xds),
        gateway_token: token,
        pids: parts.pids(),
    };
    start_envoy(envoy, parts, http).await?;
    step("First request through the gateway");
    first_answer(&file, &seeded, parts, http).await?;
    let file = RunFile { pids: parts.pids(), ..file };
    state.write_private("run.json", &serde_json::to_vec_pretty(&file)?)?;
    println!("{}", greeting::text(&file, &seeded, &settings.state_dir));
    Ok(file)
}

struct Ports {
    gateway: u16,
    admin: u16,
    xds: u16,
    envoy_admin: u16,
    demo_provider: u16,
    postgres: u16,
}

impl Ports {
    fn choose(settings: &Settings) -> Result<Ports> {
        let [gateway, admin, xds, envoy_admin, demo_provider, postgres] = ports::choose([
            ("WEIR_GATEWAY_PORT", settings.gateway_port),
            ("WEIR_ADMIN_PORT", settings.admin_port),
            ("WEIR_XDS_PORT", settings.xds_port),
            ("WEIR_ENVOY_ADMIN_PORT", settings.envoy_admin_port),
            ("WEIR_DEMO_PROVIDER_PORT", settings.demo_provider_port),
            ("WEIR_POSTGRES_PORT", settings.postgres_port),
        ])?;
        Ok(Ports { gateway, admin, xds, envoy_admin, demo_provider, postgres })
    }
}

async fn start_postgres(
    settings: &Settings,
    repository: &Path,
    state: &State,
    port: u16,
    secrets: &Secrets,
    parts: &mut Parts,
) -> Result<String> {
    step("Postgres");
    let tools = Tools::at(repository.join(&settings.tools_dir));
    let log = state.path("logs/postgres.log");
    let postgres = Postgres::prepare(&tools, &state.path(""), log, port, &secrets.postgres_password).await?;
    let url = postgres.url();
    let process = postgres.start().await?;
    parts.postgres = Some(Supervised::running("Postgres", process, move || postgres.spawn()));
    Ok(url)
}

async fn start_control_plane(control_plane: &ControlPlane, parts: &mut Parts, http: &reqwest::Client) -> Result<()> {
    step("Control plane");
    control_plane.migrate().await?;
    let again = control_plane.clone();
    let part = parts.control_plane.insert(Supervised::start("The control plane", move || again.spawn())?);
    until_ready(part, || control_plane.is_ready(http)).await
}

/// Logs in as the first admin, who is made if the database does not know them.
async fn log_in(control_plane: &ControlPlane, secrets: &Secrets, http: &reqwest::Client) -> Result<Admin> {
    let (url, email, password) = (control_plane.url(), &secrets.admin_email, &secrets.admin_password);
    if let Some(admin) = Admin::login(http, &url, email, password).await? {
        return Ok(admin);
    }
    control_plane.create_admin(email, password).await?;
    let admin = Admin::login(http, &url, email, password).await?;
    admin.context("the control plane refuses the login that it just made")
}

async fn gateway_token(control_plane: &ControlPlane, state: &State, secrets: &mut Secrets) -> Result<String> {
    if let Some(token) = &secrets.gateway_token {
        return Ok(token.clone());
    }
    let token = control_plane.create_gateway("local").await?;
    secrets.gateway_token = Some(token.clone());
    state.keep(secrets)?;
    Ok(token)
}

/// The demo provider is a process of its own, as a real one would be: a test can kill it.
fn start_provider(port: u16, state: &State, parts: &mut Parts) -> Result<()> {
    let (ourselves, log): (PathBuf, PathBuf) = (std::env::current_exe()?, state.path("logs/demo-provider.log"));
    let spawn = move || {
        let mut command = Command::new(&ourselves);
        command.args(["provider", "--port", &port.to_string()]);
        Process::start("the demo provider", command, &log, libc::SIGTERM)
    };
    parts.provider = Some(Supervised::start("The demo provider", spawn)?);
    Ok(())
}

async fn start_envoy(envoy: Envoy, parts: &mut Parts, http: &reqwest::Client) -> Result<()> {
    step("Envoy");
    let again = envoy.clone();
    let part = Supervised::start("Envoy", move || again.spawn())?;
    let (envoy, part) = parts.envoy.insert((envoy, part));
    until_ready(part, || envoy.is_ready(http)).await
}

async fn until_ready<F: Future<Output = bool>>(part: &mut Supervised, ready: impl Fn() -> F) -> Result<()> {
    match part.process() {
        Some(process) => process.until(START, ready).await,
        None => bail!("{} does not run", part.name),
    }
}

/// Waits until a request with the printed key succeeds. Only the demo provider is asked for an answer: a real one costs
/// money, so there the list of models must do.
async fn first_answer(file: &RunFile, seeded: &Seeded, parts: &mut Parts, http: &reqwest::Client) -> Result<()> {
    let deadline = Instant::now() + FIRST_ANSWER;
    loop {
        let (base, key) = (&file.gateway_url, &file.api_key);
        let request = if seeded.demo {
            let question = json!({"model": seeded.first_model, "messages": [{"role": "user", "content": "Hello"}]});
            http.post(format!("{base}/v1/chat/completions")).json(&question)
        } else {
            http.get(format!("{base}/v1/models"))
        };
        let request = request.bearer_auth(key).timeout(Duration::from_secs(5));
        let seen = tokio::select! {
            answer = attempt(request) => match answer {
                None => return Ok(()),
                Some(seen) => seen,
            },
            // A part that dies now is started again, as later.
            message = parts.changed() => message,
        };
        if Instant::now() > deadline {
            let envoy = parts.envoy.as_mut().and_then(|(_, part)| Some(part.process()?.tail()));
            bail!(
                "no request through the gateway succeeded within {} s; the last one: {seen}\n{}",
                FIRST_ANSWER.as_secs(),
                envoy.unwrap_or_default()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Sends a request; `None` if it succeeded, otherwise what came instead.
async fn attempt(request: reqwest::RequestBuilder) -> Option<String> {
    match request.send().await {
        Ok(answer) => {
            let status = answer.status();
            let body = answer.text().await.unwrap_or_default();
            let whole = status.is_success() && serde_json::from_str::<Value>(&body).is_ok();
            (!whole).then(|| format!("{status} {body}"))
        }
        Err(error) => Some(format!("{error:#}")),
    }
}

fn step(what: &str) {
    println!("· {what}");
}

/// The signals that end us.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Signals> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for somebody who does not want to wait any longer. One Ctrl-C can arrive twice, from the terminal and from
    /// a parent that passes it on; only one that comes a while later counts.
    async fn impatient(&mut self) {
        let begin = Instant::now();
        loop {
            self.next().await;
            if begin.elapsed() > Duration::from_secs(1) {
                return;
            }
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

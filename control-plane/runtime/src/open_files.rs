use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a control plane has open beside its clients' connections: the database's, listeners, logs.
const OTHERS: u64 = 128;

/// Lets the process open files for so many connections. What a shell or service manager allows at first (often 1,024) is
/// meant to be raised by whoever needs more, up to a bound that only the operator can.
pub(crate) fn allow(connections: u64) -> anyhow::Result<()> {
    let needed = connections + OTHERS;
    let allowed = getrlimit(Resource::Nofile);
    if allowed.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(most) = allowed.maximum.filter(|most| *most < needed) {
        anyhow::bail!(
            "{connections} connections (WEIR_HTTP_CONNECTIONS and WEIR_GRPC_CONNECTIONS) need {needed} open files, and this \
             process may have {most}: raise its limit (`ulimit -Hn`), or lower theirs"
        );
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: allowed.maximum })?;
    Ok(())
}

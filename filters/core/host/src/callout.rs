use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::{Base, CallId, HostError, Micros};

/// The longest answer of an HTTP service that a filter gets to see, in bytes. A longer one is never brought into the filters' memory.
pub const MOST_HTTP_ANSWER_BYTES: usize = 64 * 1024;

/// A question to an HTTP service: a POST of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpCall<'a> {
    /// Name of the proxy's cluster that leads there. It must have no filter of Weir's on its way: a VM cannot wait for itself.
    pub cluster: &'a str,
    /// The `host` that the service sees.
    pub authority: &'a str,
    /// Path, with its query.
    pub path: &'a str,
    /// JSON.
    pub body: &'a [u8],
    /// Until when all of the answer has to be here, in milliseconds.
    pub timeout_ms: u64,
}

/// What a service answered, whatever its status. A service that is away or late is answered for by the proxy, with 503 or 504.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// HTTP status; 0 if it has none that can be read.
    pub status: u16,
    /// All of the body.
    pub body: Vec<u8>,
}

/// Why a question brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The connection broke, or nobody is left to hear the answer.
    #[error("no answer came")]
    Broken,
    /// It has more than [`MOST_HTTP_ANSWER_BYTES`].
    #[error("the answer is longer than {MOST_HTTP_ANSWER_BYTES} bytes")]
    TooLong,
}

/// The callouts to HTTP services that one worker has open, so that one service that hangs holds no more than its share. Cheap to
/// clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Callouts(Rc<RefCell<BTreeMap<String, Rc<RefCell<Cluster>>>>>);

/// The callouts to one cluster.
#[derive(Debug, Default)]
struct Cluster {
    /// Those that somebody waits for.
    awaited: usize,
    /// When those are over at the latest that nobody waits for any more. The proxy does not end a callout with its stream.
    abandoned: Vec<Micros>,
}

/// A callout whose answer somebody waits for while this is kept.
#[derive(Debug)]
pub struct OpenCallout {
    id: CallId,
    deadline: Micros,
    cluster: Rc<RefCell<Cluster>>,
    is_answered: bool,
}

/// Why a callout was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalloutError {
    /// As many to this cluster are open as may be.
    #[error("{} callouts to its cluster are open", Callouts::MOST_OF_A_CLUSTER)]
    Busy,
    /// The proxy makes none from here; one can be made when the filter is woken.
    #[error("no callout can be made from here")]
    NotNow,
    /// The proxy refused it: it has no such cluster, or nobody is there.
    #[error("the proxy has nobody to ask in its cluster")]
    Refused,
}

impl Callouts {
    /// So many may be open to one cluster.
    pub const MOST_OF_A_CLUSTER: usize = 256;

    /// Asks; the answer comes to [`crate::StreamFilter::on_http_answer`] of the filter that is being called.
    pub fn ask(&self, host: &mut (impl Base + ?Sized), call: &HttpCall<'_>) -> Result<OpenCallout, CalloutError> {
        let now = host.now();
        // Nothing that holds one of the two calls back, so they are never lent twice.
        let cluster = {
            let Ok(mut clusters) = self.0.try_borrow_mut() else { return Err(CalloutError::Busy) };
            if !clusters.contains_key(call.cluster) {
                // The names are an operator's, and change with the configuration.
                clusters.retain(|_, cluster| !cluster.try_borrow_mut().is_ok_and(|mut cluster| cluster.is_idle(now)));
            }
            Rc::clone(clusters.entry(call.cluster.to_owned()).or_default())
        };
        if cluster.try_borrow_mut().map_or(true, |mut cluster| cluster.is_full(now)) {
            return Err(CalloutError::Busy);
        }
        let id = host.http_call(call).map_err(|error| match error {
            HostError::NotNow => CalloutError::NotNow,
            HostError::Conflict | HostError::Refused => CalloutError::Refused,
        })?;
        if let Ok(mut cluster) = cluster.try_borrow_mut() {
            cluster.awaited = cluster.awaited.saturating_add(1);
        }
        let deadline = now.saturating_add(call.timeout_ms.saturating_mul(1000));
        Ok(OpenCallout { id, deadline, cluster, is_answered: false })
    }
}

impl Cluster {
    fn is_full(&mut self, now: Micros) -> bool {
        if self.open() >= Callouts::MOST_OF_A_CLUSTER {
            self.abandoned.retain(|deadline| *deadline > now);
        }
        self.open() >= Callouts::MOST_OF_A_CLUSTER
    }

    fn is_idle(&mut self, now: Micros) -> bool {
        self.abandoned.retain(|deadline| *deadline > now);
        self.open() == 0
    }

    fn open(&self) -> usize {
        self.awaited.saturating_add(self.abandoned.len())
    }
}

impl OpenCallout {
    /// By which its answer is known.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// It was answered, or will not be: it is over.
    pub fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for OpenCallout {
    fn drop(&mut self) {
        if let Ok(mut cluster) = self.cluster.try_borrow_mut() {
            cluster.awaited = cluster.awaited.saturating_sub(1);
            if !self.is_answered {
                cluster.abandoned.push(self.deadline);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CalloutError, Callouts, HttpCall};
    use crate::fake::FakeHost;

    #[test]
    fn each_cluster_has_its_own_bound_and_what_is_over_counts_no_more() {
        let mut host = FakeHost::default();
        let callouts = Callouts::default();
        let to = |cluster| HttpCall { cluster, authority: "a", path: "/", body: b"{}", timeout_ms: 1 };
        let mut open = Vec::new();
        for _ in 0..1000 {
            match callouts.ask(&mut host, &to("hangs")) {
                Ok(callout) => open.push(callout),
                Err(error) => assert_eq!(error, CalloutError::Busy),
            }
        }
        assert_eq!((open.len(), host.http_calls.len()), (256, 256));
        assert!(callouts.ask(&mut host, &to("other")).is_ok());
        if let Some(one) = open.pop() {
            one.answered();
        }
        open.extend(callouts.ask(&mut host, &to("hangs")).ok());
        assert_eq!(open.len(), 256);
        // Whose streams are gone, the proxy goes on with until their deadlines.
        open.truncate(200);
        assert_eq!(callouts.ask(&mut host, &to("hangs")).err(), Some(CalloutError::Busy));
        host.now += 1001;
        open.extend(callouts.ask(&mut host, &to("hangs")).ok());
        assert_eq!(open.len(), 201);
        host.refuse_calls = true;
        assert_eq!(callouts.ask(&mut host, &to("hangs")).err(), Some(CalloutError::Refused));
        open.into_iter().for_each(super::OpenCallout::answered);
        host.refuse_calls = false;
        let again: Vec<_> = (0..256).filter_map(|_| callouts.ask(&mut host, &to("hangs")).ok()).collect();
        assert_eq!(again.len(), 256);
    }
}

use std::rc::Rc;

use weir_auth::{PrincipalCache, Watch};
use weir_host::{CallId, Level, RootHost};
use weir_metering::Outbox;
use weir_proto::dataplane::EndedStreams;

/// Keeps one `Watch` stream of this worker open, and tells by it how many usage records wait.
///
/// A gRPC stream belongs to the root context that opened it, and each configuration has a root context of its own. The newest
/// of them opens the stream; it stays there until that context goes.
#[derive(Debug)]
pub(crate) struct Watcher {
    worker: String,
    principals: Rc<PrincipalCache>,
    outbox: Rc<Outbox>,
    watch: Option<Watch>,
    /// Root contexts that can watch, by the order of their making.
    roots: Vec<u32>,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    root: u32,
    stream: CallId,
}

impl Watcher {
    pub(crate) fn new(worker: String, principals: Rc<PrincipalCache>, outbox: Rc<Outbox>) -> Self {
        Self { worker, principals, outbox, watch: None, roots: Vec::new(), open: None }
    }

    /// A root context whose configuration names a control plane.
    pub(crate) fn add(&mut self, root: u32) {
        self.roots.push(root);
    }

    /// The root context is gone, and its stream with it.
    pub(crate) fn remove(&mut self, root: u32) {
        self.roots.retain(|known| *known != root);
        if self.open.is_some_and(|open| open.root == root) {
            self.closed();
        }
    }

    /// Opens the stream if it is time to, and tells what is new. Called on the ticks of `root`.
    pub(crate) fn tick(&mut self, host: &mut dyn RootHost, root: u32, cluster: &str) {
        if let Some(open) = self.open {
            if open.root == root
                && let Some(news) = self.watch.as_mut().and_then(|watch| watch.news(self.outbox.len(), host.now()))
            {
                self.send(host, &news);
            }
            return;
        }
        if self.roots.last() != Some(&root) {
            return;
        }
        let worker = &self.worker;
        let node = || host.node_property(&["node", "id"]).unwrap_or_default();
        let watch = self.watch.get_or_insert_with(|| Watch::new(worker.clone(), node()));
        let Some(first) = watch.tick(self.outbox.len()) else { return };
        match host.open_stream(cluster, "Watch") {
            Ok(stream) => {
                self.open = Some(Open { root, stream });
                self.send(host, &first);
            }
            Err(_) => watch.closed(&self.principals),
        }
    }

    /// A message of the stream; `None` if it could not be read. What cannot be understood may have told of a revoked key, so
    /// everything is forgotten then.
    pub(crate) fn message(&mut self, host: &mut dyn RootHost, stream: CallId, bytes: Option<&[u8]>) {
        if self.open.is_none_or(|open| open.stream != stream) {
            return;
        }
        let Some(watch) = &mut self.watch else { return };
        let waiting = self.outbox.len();
        let reason = match bytes.map(|bytes| watch.message(&self.principals, bytes, waiting)) {
            Some(Ok(acknowledgement)) => return self.send(host, &acknowledgement),
            Some(Err(error)) => error.to_string(),
            None => "a message of the Watch stream could not be read".to_owned(),
        };
        self.principals.forget_everything();
        host.log(Level::Error, &format!("weir.auth: {reason}; the stream is opened anew"));
        // Cancelling gives no close callback.
        host.cancel_stream(stream);
        self.closed();
    }

    /// The keys whose streams under way are to be ended.
    pub(crate) fn take_to_end(&mut self) -> Vec<String> {
        self.watch.as_mut().map(Watch::take_to_end).unwrap_or_default()
    }

    /// Tells what became of them.
    pub(crate) fn tell_ended(&mut self, host: &mut dyn RootHost, ended: Vec<EndedStreams>) {
        if let Some(message) = self.watch.as_mut().and_then(|watch| watch.ended(ended, self.outbox.len())) {
            self.send(host, &message);
        }
    }

    /// The root context that holds the stream, if it is open.
    pub(crate) fn open_in(&self) -> Option<u32> {
        self.open.map(|open| open.root)
    }

    /// The proxy closed a stream.
    pub(crate) fn on_close(&mut self, host: &mut dyn RootHost, stream: CallId, status: u32) {
        if self.open.is_some_and(|open| open.stream == stream) {
            host.log(Level::Info, &format!("weir.auth: the Watch stream closed with gRPC status {status}"));
            self.closed();
        }
    }

    fn send(&mut self, host: &mut dyn RootHost, message: &[u8]) {
        let Some(open) = self.open else { return };
        if host.send_on_stream(open.stream, message).is_err() {
            self.closed();
        }
    }

    fn closed(&mut self) {
        self.open = None;
        if let Some(watch) = &mut self.watch {
            watch.closed(&self.principals);
        }
    }
}

use std::rc::Rc;

use weir_auth::AuthPlugin;
use weir_config::ConfigError;
use weir_host::{CallError, CallId, HttpAnswer, HttpError, RootHost};

use crate::plugin::Plugin;
use crate::worker::Answered;
use crate::{Stream, Worker};

/// One plugin under one configuration. A proxy makes a new one for each configuration, and drops the old one when its last
/// stream is over.
#[derive(Debug)]
pub struct Root {
    /// Its place in the order in which this worker's root contexts were made.
    serial: u32,
    worker: Rc<Worker>,
    plugin: Plugin,
}

impl Root {
    /// Without a configuration: its streams are refused until it has one.
    pub fn new(worker: Rc<Worker>) -> Self {
        Self { serial: worker.next_root(), worker, plugin: Plugin::Unconfigured }
    }

    /// Takes the configuration of the plugin that `root_id` names. An error names the field; the root keeps what it had.
    pub fn configure(&mut self, host: &mut dyn RootHost, root_id: &str, json: &[u8]) -> Result<(), ConfigError> {
        let plugin = Plugin::configure(root_id, json)?;
        if plugin.auth().and_then(AuthPlugin::control_plane).is_some()
            && let Ok(mut watcher) = self.worker.watcher.try_borrow_mut()
        {
            watcher.add(self.serial);
        }
        self.plugin = plugin;
        if let Some(tick) = self.plugin.tick_ms() {
            host.tick_every(tick);
        }
        Ok(())
    }

    /// The time that was asked for by [`RootHost::tick_every`] has passed once more.
    pub fn on_tick(&self, host: &mut dyn RootHost) {
        if let Some(control_plane) = self.plugin.auth().and_then(AuthPlugin::control_plane)
            && let Ok(mut watcher) = self.worker.watcher.try_borrow_mut()
        {
            watcher.tick(host, self.serial, &control_plane.cluster);
        }
        if let Some(metering) = self.plugin.metering() {
            metering.on_tick(host, &self.worker.outbox);
        }
        if let Some(quota) = self.plugin.quota() {
            quota.on_tick(host, &self.worker.leases);
        }
        self.worker.wake(host, self.serial);
        self.worker.break_off_ended(host, self.serial);
    }

    /// A callout that was made outside of streams was answered.
    pub fn on_call(&self, host: &mut dyn RootHost, call: CallId, answer: Result<&[u8], CallError>) {
        if self.worker.leases.awaits(call) {
            self.worker.leases.on_call(host, call, answer);
            return self.worker.wake(host, self.serial);
        }
        if self.worker.answered(host, self.serial, call, Answered::ControlPlane(answer.clone())) {
            return;
        }
        if let Some(metering) = self.plugin.metering() {
            metering.on_call(host, &self.worker.outbox, call, answer);
        }
    }

    /// An HTTP service answered a callout that was made outside of streams, or will not.
    pub fn on_http_answer(&self, host: &mut dyn RootHost, call: CallId, answer: Result<&HttpAnswer, HttpError>) {
        self.worker.answered(host, self.serial, call, Answered::Http(answer));
    }

    /// A message came on a stream that [`RootHost::open_stream`] opened; `None` if it could not be read.
    pub fn on_stream_message(&self, host: &mut dyn RootHost, stream: CallId, message: Option<&[u8]>) {
        match self.worker.watcher.try_borrow_mut() {
            Ok(mut watcher) => {
                watcher.message(host, stream, message);
                self.worker.end_streams(host.now(), watcher.take_to_end());
            }
            // It may have told of a revoked key.
            Err(_) => self.worker.principals.forget_everything(),
        }
    }

    /// Such a stream was closed by the other side, with this gRPC status.
    pub fn on_stream_close(&self, host: &mut dyn RootHost, stream: CallId, status: u32) {
        if let Ok(mut watcher) = self.worker.watcher.try_borrow_mut() {
            watcher.on_close(host, stream, status);
        }
    }

    /// Its part in a new stream.
    pub fn stream(&self) -> Stream {
        Stream::new(Rc::clone(&self.worker), self.plugin.clone())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.worker.root_gone(self.serial);
        if let Ok(mut watcher) = self.worker.watcher.try_borrow_mut() {
            watcher.remove(self.serial);
        }
    }
}

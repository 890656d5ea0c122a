use std::cell::Cell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use weir_auth::AuthPlugin;
use weir_host::{Base, Level};

use crate::plugin::Plugin;
use crate::proxy::Proxy;
use crate::stream::{StreamContext, answer_of};
use crate::sys::{self, Buffer};
use crate::vm::Vm;

thread_local! {
    static ROOTS: Cell<u32> = const { Cell::new(0) };
}

/// One plugin under one configuration. Envoy makes a new one for each configuration, and drops the old one when its last
/// stream is over.
pub(crate) struct Root {
    /// Its place in the order in which this VM's root contexts were made.
    serial: u32,
    vm: Rc<Vm>,
    plugin: Plugin,
}

impl Root {
    pub(crate) fn new() -> Self {
        let serial = ROOTS.with(|roots| {
            roots.set(roots.get().wrapping_add(1));
            roots.get()
        });
        Self { serial, vm: Vm::here(), plugin: Plugin::Unconfigured }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Ok(mut watcher) = self.vm.watcher.try_borrow_mut() {
            watcher.remove(self.serial);
        }
    }
}

impl Context for Root {
    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        let Some(metering) = self.plugin.metering() else { return };
        let answer = answer_of(status_code, response_size);
        let answer = answer.as_ref().map(Vec::as_slice).map_err(Clone::clone);
        metering.on_call(&mut Proxy::default(), &self.vm.outbox, token_id, answer);
    }

    fn on_grpc_stream_message(&mut self, token_id: u32, message_size: usize) {
        let message = sys::buffer(Buffer::GrpcMessage, 0, message_size);
        match self.vm.watcher.try_borrow_mut() {
            Ok(mut watcher) => watcher.message(token_id, message.as_deref()),
            // It may have told of a revoked key.
            Err(_) => self.vm.principals.forget_everything(),
        }
    }

    fn on_grpc_stream_close(&mut self, token_id: u32, status_code: u32) {
        if let Ok(mut watcher) = self.vm.watcher.try_borrow_mut() {
            watcher.on_close(token_id, status_code);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let root_id = sys::property(&["plugin_root_id"]).unwrap_or_default();
        let root_id = String::from_utf8_lossy(&root_id);
        let json = sys::buffer(Buffer::PluginConfiguration, 0, usize::MAX).unwrap_or_default();
        let plugin = match Plugin::configure(&root_id, &json) {
            Ok(plugin) => plugin,
            Err(error) => {
                Proxy::default()
                    .log(Level::Error, &format!("weir: the configuration of {root_id:?} is refused: {error}"));
                return false;
            }
        };
        if plugin.auth().and_then(AuthPlugin::control_plane).is_some()
            && let Ok(mut watcher) = self.vm.watcher.try_borrow_mut()
        {
            watcher.add(self.serial);
        }
        self.plugin = plugin;
        if let Some(tick) = self.plugin.tick_ms() {
            sys::set_tick_period_ms(tick);
        }
        true
    }

    fn on_tick(&mut self) {
        if let Some(control_plane) = self.plugin.auth().and_then(AuthPlugin::control_plane)
            && let Ok(mut watcher) = self.vm.watcher.try_borrow_mut()
        {
            watcher.tick(self.serial, &control_plane.cluster);
        }
        if let Some(metering) = self.plugin.metering() {
            metering.on_tick(&mut Proxy::default(), &self.vm.outbox);
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(StreamContext::new(self.plugin.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

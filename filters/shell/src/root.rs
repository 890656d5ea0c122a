use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use weir_gateway::Root;
use weir_host::{Base, Level};

use crate::proxy::Proxy;
use crate::stream::{StreamContext, answer_of, http_answer_of};
use crate::sys::{self, Buffer};
use crate::vm;

/// One plugin under one configuration, driven by the SDK's callbacks.
pub(crate) struct Configured {
    root: Root,
    id: u32,
}

impl Configured {
    pub(crate) fn new(id: u32) -> Self {
        Self { root: Root::new(vm::worker()), id }
    }
}

impl Context for Configured {
    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        let answer = answer_of(status_code, response_size);
        self.root.on_call(
            &mut Proxy::of_root(self.id),
            token_id,
            answer.as_ref().map(Vec::as_slice).map_err(Clone::clone),
        );
    }

    fn on_http_call_response(&mut self, token_id: u32, headers: usize, body_size: usize, _trailers: usize) {
        let answer = http_answer_of(headers, body_size);
        self.root.on_http_answer(&mut Proxy::of_root(self.id), token_id, answer.as_ref().map_err(|error| *error));
    }

    fn on_grpc_stream_message(&mut self, token_id: u32, message_size: usize) {
        let message = sys::buffer(Buffer::GrpcMessage, 0, message_size);
        self.root.on_stream_message(&mut Proxy::of_root(self.id), token_id, message.as_deref());
    }

    fn on_grpc_stream_close(&mut self, token_id: u32, status_code: u32) {
        self.root.on_stream_close(&mut Proxy::of_root(self.id), token_id, status_code);
    }
}

impl RootContext for Configured {
    fn on_configure(&mut self, _size: usize) -> bool {
        let root_id = sys::property(&["plugin_root_id"]).unwrap_or_default();
        let root_id = String::from_utf8_lossy(&root_id);
        let json = sys::buffer(Buffer::PluginConfiguration, 0, usize::MAX).unwrap_or_default();
        let mut proxy = Proxy::of_root(self.id);
        let configured = self.root.configure(&mut proxy, &root_id, &json);
        if let Err(error) = &configured {
            proxy.log(Level::Error, &format!("weir: the configuration of {root_id:?} is refused: {error}"));
        }
        configured.is_ok()
    }

    fn on_tick(&mut self) {
        self.root.on_tick(&mut Proxy::of_root(self.id));
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(StreamContext { stream: self.root.stream(), id: context_id }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

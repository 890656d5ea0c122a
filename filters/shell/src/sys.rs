//! The proxy-wasm ABI (0.2.1) as values.
//!
//! The SDK's own wrappers panic on every status that they do not expect, for example on a header map that is out of reach in
//! this phase, and a panic ends the VM with all its streams. Here a status that is not "ok" is `None` or a [`HostError`].
//! Callouts still go through the SDK, which must learn of them in order to hand their answers to the right context; it
//! returns the statuses that Envoy gives there.
#![expect(unsafe_code, reason = "the ABI passes pointers into this module's memory")]

use std::ptr::{null, null_mut};

use weir_host::{HeaderSpan, Headers, HostError};

const OK: u32 = 0;
const CAS_MISMATCH: u32 = 8;

/// More than any body: "all that is held".
const EVERYTHING: usize = i32::MAX as usize;

/// Header maps by their number in the ABI.
#[derive(Clone, Copy)]
pub(crate) enum Map {
    Request = 0,
    Response = 2,
    HttpAnswer = 6,
}

/// Buffers by their number in the ABI.
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    HttpAnswer = 4,
    GrpcMessage = 5,
    PluginConfiguration = 7,
}

/// Streams by their number in the ABI.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Request = 0,
    Response = 1,
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(kind: u32, start: usize, length: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_buffer_bytes(kind: u32, start: usize, length: usize, data: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        results: *mut *mut u8,
        results_size: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
}

fn done(status: u32) -> Result<(), HostError> {
    match status {
        OK => Ok(()),
        CAS_MISMATCH => Err(HostError::Conflict),
        _ => Err(HostError::Refused),
    }
}

/// Runs a call that returns bytes, and takes them over.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut data: *mut u8 = null_mut();
    let mut size: usize = 0;
    if call(&mut data, &mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the host got these bytes from `proxy_on_memory_allocate`, which leaks a boxed slice of exactly this size.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

pub(crate) fn log(level: u32, message: &str) {
    // SAFETY: the pointer and the size are those of a live string.
    unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

pub(crate) fn now_ns() -> u64 {
    let mut time = 0;
    // SAFETY: the pointer is to a live u64.
    unsafe { proxy_get_current_time_nanoseconds(&mut time) };
    time
}

pub(crate) fn set_tick_period_ms(period: u32) {
    // SAFETY: no pointers.
    unsafe { proxy_set_tick_period_milliseconds(period) };
}

pub(crate) fn buffer(kind: Buffer, start: usize, length: usize) -> Option<Vec<u8>> {
    // SAFETY: the pointers are to live locals of `bytes`.
    bytes(|data, size| unsafe { proxy_get_buffer_bytes(kind as u32, start, length.min(EVERYTHING), data, size) })
}

pub(crate) fn replace_buffer(kind: Buffer, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: the pointer and the size are those of a live slice.
    done(unsafe { proxy_set_buffer_bytes(kind as u32, 0, EVERYTHING, value.as_ptr(), value.len()) })
}

pub(crate) fn headers(map: Map) -> Headers {
    // SAFETY: the pointers are to live locals of `bytes`.
    let packed = bytes(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) });
    packed.and_then(unpack).unwrap_or_default()
}

pub(crate) fn set_headers(map: Map, headers: &Headers) -> Result<(), HostError> {
    let packed = pack(headers.iter());
    // SAFETY: the pointer and the size are those of a live vector.
    done(unsafe { proxy_set_header_map_pairs(map as u32, packed.as_ptr(), packed.len()) })
}

pub(crate) fn header(map: Map, name: &str) -> Option<Vec<u8>> {
    // SAFETY: the pointers are to a live string and to live locals of `bytes`.
    bytes(|data, size| unsafe { proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size) })
}

pub(crate) fn set_header(map: Map, name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: the pointers and the sizes are those of live slices.
    done(unsafe { proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

pub(crate) fn remove_header(map: Map, name: &str) {
    // SAFETY: the pointer and the size are those of a live string.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
}

pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    // SAFETY: the pointers are to a live string and to live locals of `bytes`.
    bytes(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub(crate) fn set_property(name: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: the pointers and the sizes are those of live slices.
    done(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

pub(crate) fn shared(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut cas = 0;
    // SAFETY: the pointers are to a live string and to live locals.
    let value = bytes(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas) })?;
    Some((value, cas))
}

pub(crate) fn set_shared(key: &str, value: &[u8], cas: u32) -> Result<(), HostError> {
    // SAFETY: the pointers and the sizes are those of live slices.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

pub(crate) fn resume(stream: Stream) -> Result<(), HostError> {
    // SAFETY: no pointers.
    done(unsafe { proxy_continue_stream(stream as u32) })
}

pub(crate) fn reset(stream: Stream) -> Result<(), HostError> {
    // SAFETY: no pointers.
    done(unsafe { proxy_close_stream(stream as u32) })
}

/// Makes calls stand for another context than that which Envoy called.
pub(crate) fn enter(context: u32) -> Result<(), HostError> {
    // SAFETY: it takes no pointers.
    done(unsafe { proxy_set_effective_context(context) })
}

pub(crate) fn reply(status: u16, details: &str, headers: &[(String, String)], body: &[u8]) -> Result<(), HostError> {
    const NO_GRPC_STATUS: i32 = -1;
    let packed = pack(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    // SAFETY: the pointers and the sizes are those of live slices.
    done(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            packed.as_ptr(),
            packed.len(),
            NO_GRPC_STATUS,
        )
    })
}

pub(crate) fn call_foreign_function(name: &str) -> Option<Vec<u8>> {
    // SAFETY: the pointers are to a live string and to live locals of `bytes`.
    bytes(|data, size| unsafe { proxy_call_foreign_function(name.as_ptr(), name.len(), null(), 0, data, size) })
}

pub(crate) fn define_counter(name: &str) -> Option<u32> {
    const COUNTER: u32 = 0;
    let mut id = 0;
    // SAFETY: the pointers are to a live string and to a live u32.
    done(unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &mut id) }).ok().map(|()| id)
}

pub(crate) fn increment(counter: u32, by: u64) {
    // SAFETY: no pointers.
    unsafe { proxy_increment_metric(counter, i64::try_from(by).unwrap_or(i64::MAX)) };
}

/// The ABI's form of a map: the number of pairs, the sizes of all names and values, then all of them, each ended by a zero.
/// Numbers are 32 bits wide, little-endian.
fn pack<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let sizes = pairs.clone().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(10));
    let mut packed = Vec::with_capacity(sizes.fold(4, usize::saturating_add));
    packed.extend_from_slice(&number(pairs.clone().count()));
    for (name, value) in pairs.clone() {
        packed.extend_from_slice(&number(name.len()));
        packed.extend_from_slice(&number(value.len()));
    }
    for (name, value) in pairs {
        for part in [name, value] {
            packed.extend_from_slice(part);
            packed.push(0);
        }
    }
    packed
}

/// What [`pack`] makes, read where it lies.
fn unpack(packed: Vec<u8>) -> Option<Headers> {
    let number = |at: usize| -> Option<u32> {
        let bytes = packed.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let count = number(0)?;
    let mut sizes = 4_usize;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    let mut spans = Vec::with_capacity(usize::try_from(count).ok()?.min(packed.len()));
    for _ in 0..count {
        let (name_length, value_length) = (number(sizes)?, number(sizes.checked_add(4)?)?);
        let value = at.checked_add(name_length)?.checked_add(1)?;
        spans.push(HeaderSpan { name: at, name_length, value, value_length });
        at = value.checked_add(value_length)?.checked_add(1)?;
        sizes = sizes.checked_add(8)?;
    }
    Some(Headers::in_place(packed, spans))
}

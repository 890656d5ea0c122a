use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use weir_gateway::Worker;

thread_local! {
    static WORKER: Rc<Worker> = Worker::new(Box::new(random()));
}

/// What this VM keeps: Envoy makes a VM per worker, and one for the main thread.
pub(crate) fn worker() -> Rc<Worker> {
    WORKER.with(Rc::clone)
}

/// Numbers that nobody can guess from the ones before: SipHash of a count, under keys that the host drew when the VM was born.
fn random() -> impl Fn() -> u64 {
    let (keys, count) = (RandomState::new(), Cell::new(0_u64));
    move || keys.hash_one(count.replace(count.get().wrapping_add(1)))
}

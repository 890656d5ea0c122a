//! How much work something is.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use weir_config::Action;
use weir_llm::{Schema, steps};
use weir_properties::detectors::rules;
use weir_properties::proxy::Proxy;

/// The larger input is so many times the smaller one.
const TIMES: usize = 4;
/// The larger one's time may be so many times what is in proportion; what grows with the square of the input takes four times that.
const MOST: f64 = 1.5;
/// How often a pair is measured before it is said to be out of proportion.
const TRIES: usize = 12;
/// Beyond so much no more than these tries are needed.
const BEYOND_DOUBT: f64 = 2.0;
const FEWEST_TRIES: usize = 3;
/// The same of what is counted: a list that grows by doubling may have been doubled once more.
const MOST_COUNTED: f64 = 2.0;
/// What is not of the parts: profiles, headers.
const BESIDE: f64 = 60_000.0;

fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).expect("below a second"))
}

fn time_of(work: &dyn Fn(&[u8]), input: &[u8]) -> Duration {
    let before = now();
    work(input);
    now() - before
}

/// What is counted: fields, texts and bytes that were gone through, and bytes that were allocated.
fn counted(work: &dyn Fn(&[u8]), input: &[u8]) -> f64 {
    let before = steps::counted();
    let allocated = allocation_counter::measure(|| work(input)).bytes_total;
    (steps::counted() - before + allocated) as f64
}

/// The work on so many parts, and on more of them, is in proportion to their bytes.
pub(crate) fn check(name: &str, count: usize, make: &dyn Fn(usize) -> Vec<u8>, work: &dyn Fn(&[u8])) {
    let (few, many) = (make(count), make(count * TIMES));
    let times = many.len() as f64 / few.len() as f64;
    // Automata learn their states from the first text that needs them, and their tables grow by doubling.
    work(&many);
    let ratio = (counted(work, &many) - BESIDE) / (counted(work, &few) * times);
    assert!(ratio <= MOST_COUNTED, "{name}: the work that is counted is {ratio:.1} times what is in proportion");
    let (mut short, mut long) = (Duration::MAX, Duration::MAX);
    let mut ratio = 0.0;
    for tries in 1..=TRIES {
        for _ in 0..2 {
            short = short.min(time_of(work, &few));
        }
        long = long.min(time_of(work, &many));
        ratio = long.as_secs_f64() / (short.as_secs_f64() * times);
        if ratio <= MOST {
            return;
        }
        if tries >= FEWEST_TRIES && ratio > BEYOND_DOUBT {
            break;
        }
    }
    panic!(
        "{name}: {short:?} for {} bytes and {long:?} for {}: {ratio:.2} times what is in proportion",
        few.len(),
        many.len()
    );
}

/// A request on its way, up to its provider.
pub(crate) fn sent(client: Schema, provider: Schema, action: Action, body: &str) -> Proxy {
    Proxy::send(client, provider, rules(action, action), body.as_bytes())
        .unwrap_or_else(|reply| panic!("a good request was refused: {}", String::from_utf8_lossy(&reply.body)))
}

pub(crate) fn named(name: &str) -> Schema {
    Schema::named(name).expect("a schema of this name")
}

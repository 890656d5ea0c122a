use std::cell::Cell;
use std::rc::Rc;

use weir_exchange::AttemptBudget;
use weir_host::Base;
use weir_llm::error::ClientError;

use crate::counter;

/// What further attempts of one request have reserved of a limit of money.
#[derive(Debug)]
pub(crate) struct Further {
    counter: String,
    start_s: i64,
    /// What one attempt takes at most.
    units: u64,
    reserved: Cell<u64>,
}

impl Further {
    /// Nothing yet.
    pub(crate) fn new(counter: &str, start_s: i64, units: u64) -> Rc<Self> {
        Rc::new(Self { counter: counter.to_owned(), start_s, units, reserved: Cell::new(0) })
    }

    /// What all of them have reserved.
    pub(crate) fn reserved(&self) -> u64 {
        self.reserved.get()
    }

    fn reserve(&self, host: &mut dyn Base) -> bool {
        let is_reserved = counter::reserve_further(host, &self.counter, self.start_s, self.units);
        if is_reserved {
            self.reserved.set(self.reserved().saturating_add(self.units));
        }
        is_reserved
    }

    fn release(&self, host: &mut dyn Base) {
        counter::release(host, &self.counter, self.start_s, self.units);
        self.reserved.set(self.reserved().saturating_sub(self.units));
    }
}

/// All limits that must have room for a further attempt.
#[derive(Debug)]
pub(crate) struct FurtherAttempts(pub(crate) Vec<Rc<Further>>);

impl AttemptBudget for FurtherAttempts {
    fn reserve_another(&self, host: &mut dyn Base) -> Result<(), ClientError> {
        for (place, one) in self.0.iter().enumerate() {
            if !one.reserve(host) {
                self.0.iter().take(place).for_each(|reserved| reserved.release(host));
                let message = "The provider that was asked first may bill an answer of no use, and the budget has no room for another one.";
                return Err(ClientError::new(429, "insufficient_quota", message));
            }
        }
        Ok(())
    }
}

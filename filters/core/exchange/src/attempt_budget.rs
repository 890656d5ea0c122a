use std::fmt;

use weir_host::Base;
use weir_llm::error::ClientError;

/// Who must have room for an attempt that follows one which its provider may bill: what was reserved at admission is one attempt's.
pub trait AttemptBudget: fmt::Debug {
    /// Sets aside what one more attempt may cost. An error: there is no room for it, and it must not be made.
    fn reserve_another(&self, host: &mut dyn Base) -> Result<(), ClientError>;
}

/// What a journal's entries are. Names are an interface: metrics are read by operators, keys by VMs of other versions.
#[derive(Debug)]
pub struct Kind {
    /// The plugin whose they are, for log lines.
    pub plugin: &'static str,
    /// Several of them, for log lines.
    pub entries: &'static str,
    /// What the names of their keys in shared data begin with.
    pub key: &'static str,
    /// The call that delivers them. An entry is an encoded request with that entry alone: several such, one after the other, are a
    /// request with all of them.
    pub method: &'static str,
    /// Whether bytes are such a request. One that is not would have every batch refused that it is in.
    pub is_entry: fn(&[u8]) -> bool,
    /// Counts entries that are to be delivered.
    pub taken: &'static str,
    /// Counts entries that were taken over from VMs that died.
    pub adopted: &'static str,
    /// Counts entries that are in this VM's memory alone, and would die with it.
    pub unprotected: &'static str,
    /// Counts what VMs that died left and is no entry.
    pub unreadable: &'static str,
    /// Counts entries for which there was no room.
    pub overflowed: &'static str,
}

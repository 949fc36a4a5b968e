//! Configuration (being written).

/// The configuration of every role.
#[derive(Clone, Debug)]
pub struct Config {}

//! Benchmarks: of the built binary through the network, and of the conversions in it.

pub(crate) mod delivery;
mod disk;
pub(crate) mod kinesis;
mod table;

//! Benchmarks of the built binary through the network.

mod disk;
pub(crate) mod kinesis;
mod table;

//! The durable partitioned log and the streams on it.

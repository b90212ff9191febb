//! Delivery streams: records from the log to objects, exactly once.
//!
//! A delivery stream reads the log, its own stream of direct puts or somebody else's. Records gather in buffers,
//! one for each set of partition keys. A full or old buffer is written in three steps: a plan that names the
//! object and the records is made durable; the object is written; the plan is cleared and the checkpoint moves.
//! After a crash the plan is carried out again, from the log, onto the same object, so that nothing is lost and
//! nothing is there twice. `docs/formats/delivery.md` has what is kept.

mod buffers;
mod checkpoint;
mod compactions;
mod content;
mod deliveries;
mod delta;
mod error;
mod error_document;
mod http_endpoint;
mod jq;
mod line;
mod output;
mod partition_keys;
mod places;
mod prefix;
mod processing;
mod register;
mod settings;
mod spec;
mod spill;
mod stream_destination;
mod time_pattern;
mod worker;
mod write;

#[cfg(test)]
mod tests;

pub use deliveries::{Deliveries, DeliveryParts, NewDelivery, Put};
pub use error::DeliveryError;
pub use http_endpoint::HttpEndpoint;
pub use output::Output;
pub use partition_keys::{InvalidQuery, PartitionQuery};
pub use prefix::{InvalidPrefix, Prefix};
pub use processing::{Processing, Split};
pub use spec::{Backup, Conversion, Delivery, DeliverySpec, Destination, Source};
pub use stream_destination::StreamDestination;
pub use worker::DeliveryStatus;

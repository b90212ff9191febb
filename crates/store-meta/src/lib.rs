//! Transactional metadata: typed keyspaces in one embedded redb file, with group commit.
//!
//! Every write is a closure over a [`Tx`]. Closures that arrive while a commit is under way run together in
//! the next transaction and share its fsync; each is atomic on its own: one that returns an error leaves no
//! trace and does not disturb its neighbours. A write is answered after its transaction is durable.

mod error;
mod key;
mod keyspace;
mod meta;
mod transaction;

pub use error::MetaError;
pub use key::Key;
pub use keyspace::Keyspace;
pub use meta::Meta;
pub use transaction::{Read, Snapshot, Tx};

//! Names, ids, sizes, clock and tasks that every layer shares. Nothing here does I/O.

mod buckets;
mod clock;
mod names;
mod random;
mod size;
mod tasks;

pub use buckets::Buckets;
pub use clock::{Clock, ManualClock, Millis};
pub use names::{AccountId, Arn, InvalidName, Region, Scope};
pub use random::Random;
pub use size::{GIB, KIB, MIB, human_bytes, human_count};
pub use tasks::Tasks;

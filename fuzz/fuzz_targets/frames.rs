//! Frames: those of event streams, and those of the log with the record batches in them.
#![no_main]

use engine_log::fuzzing;
use protocol_aws::testing::fuzz;

libfuzzer_sys::fuzz_target!(
    init: catchment_fuzz::plant("frames", &[fuzz::frame_seeds(), fuzzing::frame_seeds()].concat()),
    |data: &[u8]| {
        fuzz::frames(data);
        fuzzing::frames(data);
    }
);

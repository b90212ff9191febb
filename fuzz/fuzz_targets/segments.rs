//! A log's directory with files that were changed or made up: it opens, reads, takes records and keeps them.
#![no_main]

use engine_log::fuzzing;

libfuzzer_sys::fuzz_target!(
    init: catchment_fuzz::plant("segments", &fuzzing::segment_seeds()),
    |data: &[u8]| {
        let directory = std::env::temp_dir().join(format!("catchment-segments-{}", std::process::id()));
        fuzzing::segments(&directory, data);
    }
);

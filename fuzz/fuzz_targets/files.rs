//! Files in Avro, ORC and RecordIO, and compressed objects: whatever they hold, they are read or refused.
#![no_main]

use engine_formats::fuzzing;

libfuzzer_sys::fuzz_target!(
    init: {
        catchment_fuzz::plant("files", &fuzzing::file_seeds());
        catchment_fuzz::allow_panics_of_libraries();
    },
    |data: &[u8]| fuzzing::files(data)
);

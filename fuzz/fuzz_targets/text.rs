//! Lines of text, and patterns to take them apart by: they become rows or are refused, and no pattern goes on for ever.
#![no_main]

use engine_formats::fuzzing;

libfuzzer_sys::fuzz_target!(
    init: catchment_fuzz::plant("text", &fuzzing::text_seeds()),
    |data: &[u8]| fuzzing::text(data)
);

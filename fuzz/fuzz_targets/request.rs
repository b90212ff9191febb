//! A request in any of the wire protocols: every answer is well-formed, and the reader of the hot paths agrees with
//! the one that all others use.
#![no_main]

use protocol_aws::testing::fuzz;

libfuzzer_sys::fuzz_target!(
    init: catchment_fuzz::plant("request", &fuzz::request_seeds()),
    |data: &[u8]| fuzz::request(data)
);

//! JQ queries and records: whatever they are, there are partition keys or a reason, soon and in little memory.
#![no_main]

use engine_delivery::PartitionQuery;

/// The query ends with the first line.
const SEEDS: &[&str] = &[
    "{customer: .customer_id, day: (.ts | strftime(\"%Y-%m-%d\"))}\n{\"customer_id\": \"c\", \"ts\": 1425599621.5}",
    "def deep: if . > 9 then . else . + 1 | deep end; {a: (.n | deep)}\n{\"n\": 1e0}",
    "{a: (reduce .tags[] as {k: $key, $v} (\"\"; . + $key + \"\\($v)\"))}\n{\"tags\": [{\"k\": \"x\", \"v\": [null, true]}]}",
    "{a: (.t | gsub(\"(?<l>[a-z])(?=1)\"; .l + \"-\"; \"ix\"))}\n{\"t\": \"a1b2\"}",
    "[.[]? | tostring, tojson, @base64 \"\\(.)\"] | {a: (sort | group_by(length) | flatten | join(\",\"))}\n[1, \"a\", {}]",
    "{a: (.d | strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime)} // (label $out | foreach .[] as $x (0; . + 1; ., break $out))\n{\"d\": \"2015-03-05T23:51:47Z\"}",
    "(.a, .b) |= (. // 1) | .c += 2 | del(.d[1:]) | to_entries | from_entries\n{\"d\": [1, 2, 3]}",
];

libfuzzer_sys::fuzz_target!(
    init: catchment_fuzz::plant("queries", &SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect::<Vec<_>>()),
    |data: &[u8]| {
        let Some(at) = data.iter().position(|byte| *byte == b'\n') else {
            return;
        };
        let Ok(query) = std::str::from_utf8(&data[..at]) else {
            return;
        };
        if let Ok(query) = PartitionQuery::compile(query) {
            let keys = query.keys(&data[at + 1..], 1_425_599_621_000);
            assert_eq!(keys, query.keys(&data[at + 1..], 1_425_599_621_000));
        }
    }
);

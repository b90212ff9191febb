//! Calls that carry many records and answer for each: what they are called, and how some of the records can fail while
//! the others go through.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::AwsError;

/// An operation whose input lists records and whose output lists what became of each.
pub(crate) struct BatchCall {
    service: &'static str,
    operation: &'static str,
    /// The member of the output with a result for each record.
    results: &'static str,
    failures: &'static str,
}

const RECORDS: &str = "Records";
const BATCH_CALLS: [BatchCall; 2] = [
    BatchCall {
        service: "kinesis",
        operation: "PutRecords",
        results: "Records",
        failures: "FailedRecordCount",
    },
    BatchCall {
        service: "firehose",
        operation: "PutRecordBatch",
        results: "RequestResponses",
        failures: "FailedPutCount",
    },
];

impl BatchCall {
    pub(crate) fn find(service: &str, operation: &str) -> Option<&'static Self> {
        let mut all = BATCH_CALLS.iter();
        all.find(|call| (call.service, call.operation) == (service, operation))
    }

    /// Takes the records that fail out of the input and says whether any are left.
    pub(crate) fn leave_out(input: &mut Value, failing: &BTreeMap<usize, AwsError>) -> bool {
        let Some(records) = input[RECORDS].as_array_mut() else {
            return true;
        };
        let mut index = 0;
        records.retain(|_| {
            index += 1;
            !failing.contains_key(&(index - 1))
        });
        !records.is_empty()
    }

    /// The answer for all records, from the one for those that were left in.
    pub(crate) fn put_back(&self, mut output: Value, failing: BTreeMap<usize, AwsError>) -> Value {
        if output.is_null() {
            output = json!({});
        }
        let count = output[self.failures].as_u64().unwrap_or_default() + failing.len() as u64;
        output[self.failures] = count.into();
        let mut results = match output[self.results].take() {
            Value::Array(results) => results,
            _ => Vec::new(),
        };
        // In rising order, so that each lands where its record was.
        for (index, error) in failing {
            let failed = json!({ "ErrorCode": error.code, "ErrorMessage": error.message });
            results.insert(index.min(results.len()), failed);
        }
        output[self.results] = results.into();
        output
    }
}

/// How many records a call carries, where it answers for each of them.
pub(crate) fn records_of(service: &str, operation: &str, input: &Value) -> Option<usize> {
    BatchCall::find(service, operation)?;
    input[RECORDS].as_array().map(Vec::len)
}

/// Whether the operation answers for each record of its own.
pub fn answers_for_each_record(service: &str, operation: &str) -> bool {
    BatchCall::find(service, operation).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_records_are_left_out_and_answered_in_their_places() {
        let call = BatchCall::find("kinesis", "PutRecords").expect("is one");
        let mut input = json!({"StreamName": "s", "Records": [0, 1, 2, 3]});
        let failing = BTreeMap::from([0, 2].map(|index| (index, AwsError::new("Slow", "down"))));
        assert!(BatchCall::leave_out(&mut input, &failing));
        assert_eq!(input, json!({"StreamName": "s", "Records": [1, 3]}));
        let output = json!({"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}, {"SequenceNumber": "3"}]});
        let failed = json!({"ErrorCode": "Slow", "ErrorMessage": "down"});
        let expected = json!({
            "FailedRecordCount": 2,
            "Records": [failed, {"SequenceNumber": "1"}, failed, {"SequenceNumber": "3"}],
        });
        assert_eq!(call.put_back(output, failing.clone()), expected);
        let mut rest = json!({"Records": [0, 1]});
        let all = BTreeMap::from([0, 1].map(|index| (index, AwsError::new("Slow", "down"))));
        assert!(!BatchCall::leave_out(&mut rest, &all));
        assert_eq!(
            call.put_back(Value::Null, all),
            json!({"FailedRecordCount": 2, "Records": [failed, failed]})
        );
        assert!(BatchCall::find("kinesis", "PutRecord").is_none());
    }
}

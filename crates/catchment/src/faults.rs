//! Faults on demand: chosen operations on chosen streams fail or take longer, to test who calls them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::Random;
use parking_lot::Mutex;
use protocol_aws::{Attempt, AwsError, Guard, Model, Verdict, answers_for_each_record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// So many faults may be set at once.
const FAULTS_MAX: usize = 1_000;
const DELAY_MS_MAX: u64 = 300_000;

/// A fault as it is set and shown. What is left out matches everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(default)]
    pub id: u64,
    /// As in the models: `kinesis`, `firehose`, ..
    #[serde(default = "kinesis")]
    pub service: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The stream's name, or that of a delivery stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The code of the error that the call ends with. Without one it is only delayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether it hits single records of a call that answers for each, rather than the call.
    #[serde(default)]
    pub each_record: bool,
    /// The share of calls, or records, that it hits, from 0 to 1.
    #[serde(default = "all")]
    pub rate: f64,
    #[serde(default)]
    pub delay_ms: u64,
    /// How many calls, or records, it still hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How many it has hit.
    #[serde(default)]
    pub hits: u64,
}

fn kinesis() -> String {
    "kinesis".to_owned()
}

fn all() -> f64 {
    1.0
}

/// The faults that are set. Clones share them.
#[derive(Clone)]
pub(crate) struct Faults {
    set: Arc<Mutex<Set>>,
    guard: Guard,
}

#[derive(Default)]
struct Set {
    faults: Vec<Fault>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn new(random: Random) -> Self {
        let set = Arc::<Mutex<Set>>::default();
        let judged = set.clone();
        let guard = Guard::new(move |attempt| judged.lock().judge(attempt, &random));
        Self { set, guard }
    }

    pub(crate) fn guard(&self) -> Guard {
        self.guard.clone()
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.set.lock().faults.clone()
    }

    /// Sets a fault, and gives it as it is set, or says what is wrong with it.
    pub(crate) fn add(&self, mut fault: Fault) -> Result<Fault, String> {
        fault.check()?;
        let mut set = self.set.lock();
        if set.faults.len() >= FAULTS_MAX {
            return Err(format!("there are {FAULTS_MAX} faults already"));
        }
        set.last_id += 1;
        (fault.id, fault.hits) = (set.last_id, 0);
        set.faults.push(fault.clone());
        self.guard.switch(true);
        Ok(fault)
    }

    /// Removes one fault, or all; says how many there were.
    pub(crate) fn clear(&self, id: Option<u64>) -> usize {
        let mut set = self.set.lock();
        let before = set.faults.len();
        set.faults.retain(|fault| id.is_some_and(|id| fault.id != id));
        self.guard.switch(!set.faults.is_empty());
        before - set.faults.len()
    }
}

impl Set {
    /// The first fault that hits decides.
    fn judge(&mut self, attempt: Attempt<'_>, random: &Random) -> Verdict {
        let verdict = |fault: &mut Fault| fault.judge(attempt, random);
        self.faults.iter_mut().find_map(verdict).unwrap_or_default()
    }
}

/// Evenly between 0 and 1.
fn share(random: &Random) -> f64 {
    (random.u64() >> 11) as f64 / (1u64 << 53) as f64
}

impl Fault {
    /// What becomes of a call that it hits, or of which it hits records.
    fn judge(&mut self, attempt: Attempt<'_>, random: &Random) -> Option<Verdict> {
        if !self.matches(attempt) {
            return None;
        }
        let delay = Duration::from_millis(self.delay_ms);
        let error = self.error_for(attempt.operation);
        if let (Some(records), Some(error), true) = (attempt.records, &error, self.each_record) {
            let mut failing_records = BTreeMap::new();
            for index in 0..records {
                if self.count != Some(0) && self.hits_now(random) {
                    self.note_hit();
                    failing_records.insert(index, error.clone());
                }
            }
            return (!failing_records.is_empty()).then_some(Verdict {
                delay,
                error: None,
                failing_records,
            });
        }
        if !self.hits_now(random) {
            return None;
        }
        self.note_hit();
        Some(Verdict {
            delay,
            error,
            ..Verdict::default()
        })
    }

    fn hits_now(&self, random: &Random) -> bool {
        self.rate >= 1.0 || share(random) < self.rate
    }

    fn note_hit(&mut self) {
        self.hits += 1;
        if let Some(count) = &mut self.count {
            *count -= 1;
        }
    }

    fn error_for(&self, operation: &str) -> Option<AwsError> {
        let code = self.error.clone()?;
        let message = self.message.clone();
        let message = message.unwrap_or_else(|| format!("A fault was set for {operation}."));
        Some(AwsError::new(code, message))
    }

    fn check(&self) -> Result<(), String> {
        let model = Model::get(&self.service).ok_or_else(|| format!("there is no service {:?}", self.service))?;
        if let Some(operation) = &self.operation
            && !model.operations.contains_key(operation)
        {
            return Err(format!("{} has no operation {operation:?}", self.service));
        }
        if !(0.0..=1.0).contains(&self.rate) {
            return Err("the rate is a share from 0 to 1".to_owned());
        }
        if self.delay_ms > DELAY_MS_MAX {
            return Err(format!("a delay may be {DELAY_MS_MAX} ms at most"));
        }
        if self.error.as_deref() == Some("") || self.error.is_none() && self.delay_ms == 0 {
            return Err("a fault needs an error or a delay".to_owned());
        }
        let operation = self.operation.as_deref().unwrap_or_default();
        if self.each_record && (self.error.is_none() || !answers_for_each_record(&self.service, operation)) {
            return Err("each_record needs an error, and PutRecords or PutRecordBatch as the operation".to_owned());
        }
        Ok(())
    }

    fn matches(&self, attempt: Attempt<'_>) -> bool {
        let is_named = |name: &str| {
            let member = |member: &str| attempt.input[member].as_str();
            let arns = ["StreamARN", "ConsumerARN", "ResourceARN"];
            member("StreamName") == Some(name)
                || member("DeliveryStreamName") == Some(name)
                || arns.iter().filter_map(|arn| member(arn)).any(|arn| names(arn, name))
                || member("ShardIterator").is_some_and(|iterator| service_kinesis::iterator_is_of(iterator, name))
        };
        self.count != Some(0)
            && self.service == attempt.service
            && self
                .operation
                .as_ref()
                .is_none_or(|operation| operation == attempt.operation)
            && self.stream.as_ref().is_none_or(|stream| is_named(stream))
    }
}

/// Whether an ARN is that of the stream, or of one of its consumers.
fn names(arn: &str, stream: &str) -> bool {
    let named = arn
        .split_once(":stream/")
        .map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    named == Some(stream)
}

/// What the caller wrote, as a fault.
pub(crate) fn parse(body: &[u8]) -> Result<Fault, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("the fault is no JSON: {error}"))?;
    serde_json::from_value(value).map_err(|error| format!("the fault cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use base::Scope;
    use serde_json::json;

    use super::*;

    fn judged(faults: &Faults, operation: &str, input: &Value) -> Verdict {
        let scope = Scope::default();
        let attempt = Attempt {
            service: "kinesis",
            operation,
            scope: &scope,
            input,
            records: input["Records"].as_array().map(Vec::len),
        };
        faults.set.lock().judge(attempt, &Random::seeded(1))
    }

    #[test]
    fn a_fault_hits_what_it_names_as_often_as_it_says() {
        let faults = Faults::new(Random::seeded(1));
        let fault = json!({"operation": "PutRecord", "stream": "a", "error": "ProvisionedThroughputExceededException", "count": 2});
        let set = faults
            .add(parse(fault.to_string().as_bytes()).expect("reads"))
            .expect("sets");
        for (operation, input) in [
            ("PutRecord", json!({"StreamName": "b"})),
            ("PutRecords", json!({"StreamName": "a"})),
            (
                "PutRecord",
                json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/ab"}),
            ),
        ] {
            assert!(
                judged(&faults, operation, &input).error.is_none(),
                "{operation} {input}"
            );
        }
        for input in [
            json!({"StreamName": "a"}),
            json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/a"}),
        ] {
            let error = judged(&faults, "PutRecord", &input).error.expect("hit");
            assert_eq!(error.code, "ProvisionedThroughputExceededException");
        }
        assert!(
            judged(&faults, "PutRecord", &json!({"StreamName": "a"}))
                .error
                .is_none(),
            "used up"
        );
        assert_eq!((faults.list()[0].hits, faults.list()[0].count), (2, Some(0)));
        assert_eq!((faults.clear(Some(set.id + 1)), faults.clear(None)), (0, 1));
    }

    #[test]
    fn single_records_fail_as_often_as_it_says() {
        let faults = Faults::new(Random::seeded(1));
        let fault = json!({"operation": "PutRecords", "error": "E", "each_record": true, "rate": 0.25, "count": 60});
        faults
            .add(parse(fault.to_string().as_bytes()).expect("reads"))
            .expect("sets");
        let input = json!({"StreamName": "a", "Records": vec![0; 200]});
        let first = judged(&faults, "PutRecords", &input);
        assert!(first.error.is_none());
        let failed = first.failing_records.len();
        assert!((20..60).contains(&failed), "{failed} of 200");
        assert!(first.failing_records.keys().all(|index| *index < 200));
        let second = judged(&faults, "PutRecords", &input).failing_records.len();
        assert_eq!((failed + second, faults.list()[0].hits), (60, 60));
        assert!(
            judged(&faults, "PutRecords", &input).failing_records.is_empty(),
            "used up"
        );
    }

    #[test]
    fn faults_that_cannot_be_are_refused() {
        let faults = Faults::new(Random::seeded(1));
        for (fault, why) in [
            (json!({"operation": "PutRecord"}), "needs an error or a delay"),
            (json!({"operation": "NoSuch", "delay_ms": 1}), "no operation"),
            (json!({"service": "nope", "delay_ms": 1}), "no service"),
            (json!({"rate": 1.5, "delay_ms": 1}), "from 0 to 1"),
            (json!({"delay_ms": 900_000}), "at most"),
            (
                json!({"operation": "PutRecord", "error": "E", "each_record": true}),
                "PutRecords or",
            ),
            (
                json!({"operation": "PutRecords", "delay_ms": 1, "each_record": true}),
                "needs an error",
            ),
            (json!({"delay": 5}), "cannot be read"),
        ] {
            let refused = parse(fault.to_string().as_bytes()).and_then(|fault| faults.add(fault));
            assert!(
                refused.clone().is_err_and(|text| text.contains(why)),
                "{fault}: {refused:?}"
            );
        }
    }
}

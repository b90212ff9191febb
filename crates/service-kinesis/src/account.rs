//! What is kept of an account: its commitment to a minimum throughput.

use base::{Millis, Scope};
use protocol_aws::{AwsError, Timestamp};
use serde::{Deserialize, Serialize};
use store_meta::{Keyspace, Read};

use crate::Call;

const ACCOUNTS: Keyspace<(Scope,), Account> = Keyspace::new("kinesis/accounts");
/// How long a commitment lasts at least.
const COMMITMENT_MS: Millis = 24 * 3_600_000;

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    started_ms: Option<Millis>,
    ended_ms: Option<Millis>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    minimum_throughput_billing_commitment: Commitment,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Commitment {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest_allowed_end_at: Option<Timestamp>,
}

impl Account {
    pub(crate) fn read(call: &Call) -> Result<Self, AwsError> {
        let key = (call.scope().clone(),);
        let found = call.meta.read(|snapshot| snapshot.get(&ACCOUNTS, &key));
        Ok(found.map_err(AwsError::internal)?.unwrap_or_default())
    }

    /// Begins or ends the commitment; what is so already stays as it is. Ended early it lasts as long as it must.
    pub(crate) async fn commit(call: &Call, is_enabled: bool) -> Result<Self, AwsError> {
        let (key, now_ms) = ((call.scope().clone(),), call.clock.now_ms());
        let changed = call.meta.write(move |tx| {
            let mut account = tx.get(&ACCOUNTS, &key)?.unwrap_or_default();
            let is_running = account.started_ms.is_some() && account.ended_ms.is_none_or(|end_ms| end_ms > now_ms);
            match (is_enabled, account.started_ms) {
                (true, _) if is_running => account.ended_ms = None,
                (true, _) => {
                    account = Self {
                        started_ms: Some(now_ms),
                        ended_ms: None,
                    }
                }
                (false, Some(started_ms)) if account.ended_ms.is_none() => {
                    account.ended_ms = Some(now_ms.max(started_ms + COMMITMENT_MS));
                }
                (false, _) => {}
            }
            tx.put(&ACCOUNTS, &key, &account)?;
            Ok::<_, store_meta::MetaError>(account)
        });
        changed.await.map_err(AwsError::internal)
    }

    pub(crate) fn describe(&self, now_ms: Millis) -> Output {
        let earliest = self.started_ms.map(|started_ms| Timestamp(started_ms + COMMITMENT_MS));
        let status = match (self.started_ms, self.ended_ms) {
            (Some(_), None) => "ENABLED",
            (Some(_), Some(end_ms)) if end_ms > now_ms => "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
            _ => "DISABLED",
        };
        Output {
            minimum_throughput_billing_commitment: Commitment {
                status,
                started_at: self.started_ms.map(Timestamp),
                ended_at: self.ended_ms.filter(|end_ms| *end_ms <= now_ms).map(Timestamp),
                earliest_allowed_end_at: earliest.filter(|_| status != "DISABLED"),
            },
        }
    }
}

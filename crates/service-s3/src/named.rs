//! Which operation a request is, as the library's routing found it, for logs and metrics.

use std::sync::{Arc, OnceLock};

use protocol_aws::Model;
use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};

/// The operation's name, there once the request has been routed. It is in the request's extensions.
#[derive(Clone, Default)]
pub(crate) struct Named(Arc<OnceLock<&'static str>>);

impl Named {
    /// Empty where the request is no operation.
    pub(crate) fn get(&self) -> &'static str {
        self.0.get().copied().unwrap_or_default()
    }
}

/// Lets everyone through, since who calls has been settled before, and keeps the operation's name.
pub(crate) struct Access;

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let known = Model::get("s3").and_then(|model| model.operations.get_key_value(context.s3_op().name()));
        if let (Some((name, _)), Some(named)) = (known, context.extensions_mut().get::<Named>()) {
            named.0.get_or_init(|| name);
        }
        Ok(())
    }
}

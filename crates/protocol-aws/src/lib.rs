//! The AWS wire protocols, written once for every service.
//!
//! The way of a request is one list, in [`Gateway::handle`]: find the service, authenticate, find the
//! operation, decode by the model, validate by the model, call the handler, encode by the model.
//!
//! Whatever the wire protocol, a handler sees and returns values in awsJson form: blobs as base64 strings
//! ([`Blob`]), timestamps as seconds since the epoch ([`Timestamp`]).

mod authenticate;
mod batch_calls;
mod body;
mod cbor;
mod decode;
mod encode;
mod error;
mod events;
mod eventstream;
mod gateway;
#[cfg(test)]
mod gateway_tests;
mod guard;
mod json;
mod model;
mod query;
mod rest;
mod route;
pub mod scan;
mod service;
pub mod sigv4;
pub mod testing;
mod uri;
mod validate;
mod values;
mod wire;
mod xml;

pub use authenticate::{AccessKey, Authentication};
pub use batch_calls::answers_for_each_record;
pub use body::{Body, BoxError, empty_body, full_body};
pub use error::AwsError;
pub use events::{Event, Events};
pub use eventstream::{EventStreamError, Frame, HeaderValue};
pub use gateway::{Finished, Foreign, Gateway, GatewayBuilder, Limits, RequestId, Told};
pub use guard::{Attempt, Guard, Verdict};
pub use model::{Kind, Location, Member, Model, Operation, Protocol, Shape, ShapeId};
pub use service::{Builder, Call, Context, Handler, Service};
pub use values::{Blob, Empty, Timestamp};
pub use wire::Wire;

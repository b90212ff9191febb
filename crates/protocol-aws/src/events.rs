//! Answers that are event streams: events follow for as long as the service has some and the caller listens.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http::{HeaderValue, Response, header};
use http_body::Frame as BodyFrame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};

use crate::eventstream::{Frame, HeaderValue as EventHeader};
use crate::{AwsError, Body, BoxError, Model, Operation, ShapeId, Wire, cbor};

/// One event of an answer.
#[derive(Debug)]
pub enum Event {
    /// The name of a member of the output's event stream, and its content as awsJson.
    Member(&'static str, Bytes),
    /// The stream ends with an error.
    Failed(AwsError),
}

/// What an operation with an event stream answers.
pub struct Events(Pin<Box<dyn Stream<Item = Event> + Send>>);

impl Events {
    pub fn new(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self(Box::pin(events))
    }

    /// The events themselves, for tests.
    pub fn into_stream(self) -> impl Stream<Item = Event> + Send {
        self.0
    }

    pub(crate) fn respond(self, model: &'static Model, operation: &Operation, wire: Wire) -> Response<Body> {
        let union = operation.output.and_then(|output| union_of(model, output));
        let begun = stream::once(std::future::ready(initial(wire)));
        let frames = begun.chain(self.0.map(move |event| frame(model, union, wire, event)));
        let chunks = frames.map(|frame| {
            let mut bytes = BytesMut::new();
            frame.encode(&mut bytes);
            Ok::<_, BoxError>(BodyFrame::data(bytes.freeze()))
        });
        let mut response = Response::new(StreamBody::new(chunks).boxed_unsync());
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/vnd.amazon.eventstream"),
        );
        response
    }
}

/// In the RPC protocols the output's other members come first, in a message of their own.
fn initial(wire: Wire) -> Frame {
    let empty = json!({});
    Frame::event("initial-response", wire.content_type(), payload(wire, &empty))
}

fn frame(model: &Model, union: Option<ShapeId>, wire: Wire, event: Event) -> Frame {
    match event {
        Event::Member(name, json) => match member(model, union, name).filter(|_| is_cbor(wire)) {
            None => Frame::event(name, "application/json", json),
            Some(shape) => {
                let value = serde_json::from_slice(&json).unwrap_or_default();
                let encoded = cbor::encode(model, Some(shape), value, wire).unwrap_or_default();
                Frame::event(name, wire.content_type(), encoded)
            }
        },
        Event::Failed(error) => {
            let text = |name: &str, value: &str| (name.to_owned(), EventHeader::String(value.to_owned()));
            let content_type = if is_cbor(wire) {
                wire.content_type()
            } else {
                "application/json"
            };
            Frame {
                headers: vec![
                    text(":message-type", "exception"),
                    text(":exception-type", &error.code),
                    text(":content-type", content_type),
                ],
                payload: payload(wire, &json!({ "message": error.message })),
            }
        }
    }
}

fn payload(wire: Wire, value: &Value) -> Bytes {
    if is_cbor(wire) {
        cbor::plain(value).into()
    } else {
        value.to_string().into()
    }
}

fn is_cbor(wire: Wire) -> bool {
    matches!(wire, Wire::AmzCbor | Wire::RpcCbor)
}

fn union_of(model: &Model, output: ShapeId) -> Option<ShapeId> {
    let members = &model.structure(output)?.members;
    let found = members.iter().find(|member| {
        model
            .structure(member.shape)
            .is_some_and(|structure| structure.eventstream)
    });
    found.map(|member| member.shape)
}

fn member(model: &Model, union: Option<ShapeId>, name: &str) -> Option<ShapeId> {
    let members = &model.structure(union?)?.members;
    members
        .iter()
        .find(|member| member.name == name)
        .map(|member| member.shape)
}

//! A request's body that does not let its sender pause for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use protocol_aws::{AwsError, Body, BoxError};
use tokio::time::{Instant, Sleep, sleep};

/// Fails when nothing comes for `pause_max`. Time counts only while somebody waits for the body, so that a
/// handler that is slow to read does not end its caller.
pub(crate) struct PatientBody {
    inner: Body,
    pause_max: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl PatientBody {
    pub(crate) fn new(inner: Body, pause_max: Duration) -> Self {
        Self {
            inner,
            pause_max,
            waiting: None,
        }
    }
}

impl HttpBody for PatientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.waiting = None;
            return Poll::Ready(frame);
        }
        let pause_max = self.pause_max;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(pause_max)));
        match waiting.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                waiting.as_mut().reset(Instant::now() + pause_max);
                let text = "Your socket connection to the server was not read from or written to within the timeout \
                            period. Idle connections will be closed.";
                let error = AwsError::new("RequestTimeout", text).with_status(400);
                Poll::Ready(Some(Err(Box::new(error))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::*;

    struct Received(mpsc::Receiver<Bytes>);

    impl HttpBody for Received {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0
                .poll_recv(cx)
                .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    #[tokio::test]
    async fn a_sender_that_pauses_too_long_is_cut_and_one_that_ends_is_not() {
        let (sender, receiver) = mpsc::channel(1);
        let mut body = PatientBody::new(Received(receiver).boxed_unsync(), Duration::from_millis(20));
        sender.send(Bytes::from_static(b"a")).await.expect("is read");
        let frame = body.frame().await.expect("a frame").expect("in time");
        assert_eq!(frame.into_data().expect("data"), "a");
        let error = body.frame().await.expect("an answer").expect_err("too late");
        assert!(error.to_string().starts_with("RequestTimeout"), "{error}");
        drop(sender);
        assert!(body.frame().await.is_none());
    }
}

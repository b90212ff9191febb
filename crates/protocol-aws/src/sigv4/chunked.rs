//! `aws-chunked` bodies: each chunk with its size and, where signed, a signature that seals it to the one
//! before; then trailing headers, such as checksums, that are signed too.
//!
//! `<hex size>[;chunk-signature=<64 hex>]\r\n<bytes>\r\n .. 0[;chunk-signature=..]\r\n[<name>:<value>\r\n ..]\r\n`

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use sha2::{Digest, Sha256};

use super::{CredentialScope, EMPTY_SHA256, SigningKey, same};
use crate::{AwsError, Body, BoxError};

/// A chunk's head or a trailer line may be so long.
const LINE_BYTES_MAX: usize = 16 << 10;
/// All trailer lines together, and how many.
const TRAILER_BYTES_MAX: usize = 16 << 10;
const TRAILERS_MAX: usize = 64;

/// What checks the chunks of a signed body.
pub(crate) struct ChunkVerifier {
    pub key: SigningKey,
    pub scope: CredentialScope,
    /// `yyyyMMddTHHmmssZ`.
    pub time: String,
    /// The signature of the request, then of each chunk in turn.
    pub previous: String,
}

impl ChunkVerifier {
    fn check(&mut self, algorithm: &str, hashes: &str, given: &str) -> Result<(), AwsError> {
        let Self {
            key,
            scope,
            time,
            previous,
        } = self;
        let signature = key.sign(&format!("{algorithm}\n{time}\n{scope}\n{previous}\n{hashes}"));
        if !same(&signature, given) {
            return Err(mismatch());
        }
        self.previous = signature;
        Ok(())
    }
}

fn mismatch() -> AwsError {
    AwsError::new(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    )
    .with_status(403)
}

fn malformed(what: &str) -> AwsError {
    AwsError::new("IncompleteBody", format!("The aws-chunked body is malformed: {what}.")).with_status(400)
}

/// In S3's own words (API Reference, "List of error codes").
fn malformed_trailer() -> AwsError {
    let text =
        "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    AwsError::new("MalformedTrailerError", text).with_status(400)
}

#[derive(Debug)]
enum State {
    Head,
    Data { left: u64, signature: Option<String> },
    DataEnd { signature: Option<String> },
    Trailers,
    Done,
}

/// Takes the chunking off: data frames with the payload, then a trailers frame.
pub(crate) struct ChunkedBody {
    inner: Body,
    buffer: BytesMut,
    ended: bool,
    state: State,
    verifier: Option<ChunkVerifier>,
    /// The names of the trailing headers in lower case, of a body that has any.
    announced: Option<Vec<String>>,
    trailers_signed: bool,
    hasher: Sha256,
    trailers: HeaderMap,
    /// The trailers as they are signed: `name:value\n` each.
    trailer_text: String,
}

impl ChunkedBody {
    pub(crate) fn new(inner: Body, verifier: Option<ChunkVerifier>, announced: Option<Vec<String>>) -> Self {
        Self {
            inner,
            buffer: BytesMut::new(),
            ended: false,
            state: State::Head,
            verifier,
            announced,
            trailers_signed: false,
            hasher: Sha256::new(),
            trailers: HeaderMap::new(),
            trailer_text: String::new(),
        }
    }

    /// Takes one step over the buffered bytes: `None` asks for more.
    fn step(&mut self) -> Result<Option<Frame<Bytes>>, AwsError> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
                    let left =
                        u64::from_str_radix(size.trim(), 16).map_err(|_| malformed("a chunk's size is no number"))?;
                    let signature = extension.trim().strip_prefix("chunk-signature=").map(str::to_owned);
                    if self.verifier.is_some() && signature.is_none() {
                        return Err(mismatch());
                    }
                    if left > 0 {
                        self.state = State::Data { left, signature };
                    } else {
                        self.check_chunk(signature.as_deref())?;
                        self.state = State::Trailers;
                    }
                }
                State::Data { left, signature } => {
                    if self.buffer.is_empty() {
                        return Ok(None);
                    }
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                    let data = self.buffer.split_to(length).freeze();
                    *left -= length as u64;
                    if *left == 0 {
                        let signature = signature.take();
                        self.state = State::DataEnd { signature };
                    }
                    if self.verifier.is_some() {
                        self.hasher.update(&data);
                    }
                    return Ok(Some(Frame::data(data)));
                }
                State::DataEnd { signature } => {
                    if self.buffer.len() < 2 {
                        return Ok(None);
                    }
                    if &self.buffer[..2] != b"\r\n" {
                        return Err(malformed("a chunk is longer than it says"));
                    }
                    let signature = signature.take();
                    self.buffer.advance(2);
                    self.check_chunk(signature.as_deref())?;
                    self.state = State::Head;
                }
                State::Trailers => {
                    // The last line may be missing where there are no trailers.
                    if self.buffer.is_empty() && self.ended && self.announced.is_none() {
                        self.state = State::Done;
                        continue;
                    }
                    let Some(line) = self.line()? else { return Ok(None) };
                    if line.is_empty() {
                        self.finish()?;
                        self.state = State::Done;
                        continue;
                    }
                    self.trailer(&line)?;
                }
                State::Done => {
                    let trailers = std::mem::take(&mut self.trailers);
                    return Ok((!trailers.is_empty()).then(|| Frame::trailers(trailers)));
                }
            }
        }
    }

    /// A whole line without its end, if one is buffered.
    fn line(&mut self) -> Result<Option<String>, AwsError> {
        match memchr::memchr(b'\n', &self.buffer) {
            Some(end) => {
                let line = self.buffer.split_to(end + 1);
                let line = line.strip_suffix(b"\r\n").unwrap_or(&line[..end]);
                Ok(Some(
                    std::str::from_utf8(line)
                        .map_err(|_| malformed("a line is no text"))?
                        .to_owned(),
                ))
            }
            None if self.buffer.len() > LINE_BYTES_MAX => Err(malformed("a line is too long")),
            None => Ok(None),
        }
    }

    fn check_chunk(&mut self, signature: Option<&str>) -> Result<(), AwsError> {
        let hash = hex::encode(self.hasher.finalize_reset());
        match (&mut self.verifier, signature) {
            (Some(verifier), Some(given)) => {
                verifier.check("AWS4-HMAC-SHA256-PAYLOAD", &format!("{EMPTY_SHA256}\n{hash}"), given)
            }
            (Some(_), None) => Err(mismatch()),
            (None, _) => Ok(()),
        }
    }

    fn trailer(&mut self, line: &str) -> Result<(), AwsError> {
        let (name, value) = line.split_once(':').ok_or_else(malformed_trailer)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if self.trailers_signed {
            return Err(malformed_trailer());
        }
        if name == "x-amz-trailer-signature" {
            if let Some(verifier) = &mut self.verifier {
                let hash = super::sha256_hex(self.trailer_text.as_bytes());
                verifier.check("AWS4-HMAC-SHA256-TRAILER", &hash, value)?;
            }
            self.trailers_signed = true;
            return Ok(());
        }
        let is_announced = self.announced.as_ref().is_some_and(|names| names.contains(&name));
        if !is_announced || self.trailers.len() == TRAILERS_MAX {
            return Err(malformed_trailer());
        }
        self.trailer_text.push_str(&format!("{name}:{value}\n"));
        if self.trailer_text.len() > TRAILER_BYTES_MAX {
            return Err(malformed_trailer());
        }
        let name = HeaderName::try_from(name).map_err(|_| malformed_trailer())?;
        let value = HeaderValue::try_from(value).map_err(|_| malformed_trailer())?;
        self.trailers.try_append(name, value).map_err(|_| malformed_trailer())?;
        Ok(())
    }

    fn finish(&self) -> Result<(), AwsError> {
        let are_unsigned = self.verifier.is_some() && self.announced.is_some() && !self.trailers_signed;
        if are_unsigned { Err(mismatch()) } else { Ok(()) }
    }
}

impl HttpBody for ChunkedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match self.step() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if matches!(self.state, State::Done) => return Poll::Ready(None),
                Ok(None) if self.ended => return Poll::Ready(Some(Err(Box::new(malformed("it ends too early"))))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(Box::new(error)))),
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.ended = true,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done) && self.trailers.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    async fn decode(
        wire: &[u8],
        piece: usize,
        verifier: Option<ChunkVerifier>,
        announced: Option<&str>,
    ) -> Result<(Vec<u8>, String), String> {
        let frames: Vec<_> = wire
            .chunks(piece)
            .map(|c| Ok(Frame::data(Bytes::copy_from_slice(c))))
            .collect();
        let inner = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
        let announced = announced.map(|name| vec![name.to_owned()]);
        let collected = ChunkedBody::new(inner, verifier, announced)
            .collect()
            .await
            .map_err(|e| e.to_string())?;
        let trailers = collected.trailers().map(|t| format!("{t:?}")).unwrap_or_default();
        Ok((collected.to_bytes().to_vec(), trailers))
    }

    /// The example of S3's documentation: 66,560 bytes of `a` in chunks of 64 KiB, with its signatures.
    fn example() -> (Vec<u8>, ChunkVerifier) {
        let mut wire = Vec::new();
        wire.extend(b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n");
        wire.extend([b'a'; 65_536]);
        wire.extend(b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n");
        wire.extend([b'a'; 1_024]);
        wire.extend(b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n");
        let scope = CredentialScope {
            date: "20130524".into(),
            region: "us-east-1".into(),
            service: "s3".into(),
        };
        let verifier = ChunkVerifier {
            key: SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope),
            scope,
            time: "20130524T000000Z".into(),
            previous: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".into(),
        };
        (wire, verifier)
    }

    #[tokio::test]
    async fn the_documentations_example_verifies_and_a_changed_byte_does_not() {
        for piece in [1_000, 7, 70_000] {
            let (wire, verifier) = example();
            let (data, _) = decode(&wire, piece, Some(verifier), None).await.expect("verifies");
            assert_eq!(data.len(), 66_560);
        }
        let (mut wire, verifier) = example();
        wire[100] = b'b';
        assert!(
            decode(&wire, 1_000, Some(verifier), None)
                .await
                .expect_err("refused")
                .contains("SignatureDoesNotMatch")
        );
        let (wire, verifier) = example();
        assert!(
            decode(&wire[..70], 1_000, Some(verifier), None)
                .await
                .expect_err("refused")
                .contains("too early")
        );
    }

    #[tokio::test]
    async fn unsigned_chunks_carry_trailers_and_malformed_ones_are_refused() {
        let wire = b"5\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        for piece in 1..wire.len() {
            let (data, trailers) = decode(wire, piece, None, Some("x-amz-checksum-crc32"))
                .await
                .expect("decodes");
            assert_eq!(data, b"hello!");
            assert!(
                trailers.contains("x-amz-checksum-crc32") && trailers.contains("AAAAAA=="),
                "{trailers}"
            );
        }
        for wire in [
            &b"5\r\nhello!\r\n0\r\n\r\n"[..],
            b"x\r\n",
            b"5\r\nhel",
            b"5\r\nhello\r\n",
            b"0\r\nno colon\r\n\r\n",
        ] {
            assert!(decode(wire, 3, None, Some("x")).await.is_err(), "{wire:?}");
        }
    }

    #[tokio::test]
    async fn trailers_have_bounds_and_must_be_announced() {
        let wire = |name: &str, value: &str, count: usize| {
            format!("0\r\n{}\r\n", format!("{name}:{value}\r\n").repeat(count)).into_bytes()
        };
        assert!(decode(&wire("x", "y", 64), 1000, None, Some("x")).await.is_ok());
        for (wire, announced) in [
            (wire("x", "y", 65), Some("x")),
            (wire("x", "y", 40_000), Some("x")),
            (wire("x", &"y".repeat(9_000), 2), Some("x")),
            (wire("x", "y", 1), Some("z")),
            (wire("x", "y", 1), None),
        ] {
            let refused = decode(&wire, 1000, None, announced).await.expect_err("refused");
            assert!(refused.starts_with("MalformedTrailerError"), "{refused}");
        }
    }
}

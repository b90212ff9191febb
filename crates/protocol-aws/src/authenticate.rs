//! Who calls: the credentials of a request, checked where access keys are configured.

use std::collections::HashMap;

use base::{AccountId, Clock, Millis, Region, Scope};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;

use crate::sigv4::chunked::{ChunkVerifier, ChunkedBody};
use crate::sigv4::{ALGORITHM, Canonical, CredentialScope, SigningKey, same, sha256_hex, string_to_sign};
use crate::{AwsError, Body, Wire, uri};

/// How far a caller's clock may be off.
const SKEW_MS_MAX: Millis = 5 * 60 * 1000;
/// S3 allows more.
const SKEW_S3_MS_MAX: Millis = 15 * 60 * 1000;
/// A presigned URL lives at most a week.
const EXPIRES_SECONDS_MAX: i64 = 7 * 24 * 3600;

/// An access key that callers may sign with.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    /// The account its calls act in.
    pub account: AccountId,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKey({}, account {})", self.id, self.account)
    }
}

/// Whom we believe.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// Anyone: the account is taken from the access key id where it is one, signatures are not looked at.
    Anyone,
    /// Holders of these keys, by id. Every request must be signed.
    Keys(HashMap<String, AccessKey>),
}

impl Authentication {
    pub fn keys(keys: impl IntoIterator<Item = AccessKey>) -> Self {
        Self::Keys(keys.into_iter().map(|key| (key.id.clone(), key)).collect())
    }
}

/// What a request says of its signature, before anything is checked.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub key_id: String,
    pub scope: CredentialScope,
    signed_headers: Vec<String>,
    signature: String,
    /// `yyyyMMddTHHmmssZ`.
    time: String,
    /// Seconds, of a presigned URL.
    expires: Option<i64>,
}

/// The caller of a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub scope: Scope,
    pub access_key: String,
}

/// Reads the claim of a request; `Ok(None)` where it is unsigned.
pub(crate) fn claim(parts: &Parts) -> Result<Option<Claim>, String> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let text = value
            .to_str()
            .map_err(|_| "Authorization header is no text".to_owned())?;
        return header_claim(text, &parts.headers).map(Some);
    }
    let query = uri::pairs(parts.uri.query().unwrap_or_default());
    let find = |name: &str| {
        query
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    };
    let Some(signature) = find("X-Amz-Signature") else {
        return Ok(None);
    };
    let need = |name: &str| find(name).ok_or_else(|| format!("the query string lacks '{name}'"));
    if need("X-Amz-Algorithm")? != ALGORITHM {
        return Err("X-Amz-Algorithm is not AWS4-HMAC-SHA256".into());
    }
    let (key_id, scope) = credential(&need("X-Amz-Credential")?)?;
    let expires = need("X-Amz-Expires")?
        .parse()
        .map_err(|_| "X-Amz-Expires is no number".to_owned())?;
    if !(0..=EXPIRES_SECONDS_MAX).contains(&expires) {
        return Err("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds".into());
    }
    Ok(Some(Claim {
        key_id,
        scope,
        signed_headers: need("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect(),
        signature,
        time: need("X-Amz-Date")?,
        expires: Some(expires),
    }))
}

fn header_claim(text: &str, headers: &HeaderMap) -> Result<Claim, String> {
    let rest = text
        .strip_prefix(ALGORITHM)
        .ok_or("only AWS4-HMAC-SHA256 signatures are understood")?;
    let mut credential_text = None;
    let mut signed_headers = None;
    let mut signature = None;
    for field in rest.split(',') {
        match field.trim().split_once('=') {
            Some(("Credential", value)) => credential_text = Some(value),
            Some(("SignedHeaders", value)) => signed_headers = Some(value),
            Some(("Signature", value)) => signature = Some(value),
            _ => {
                return Err(format!(
                    "'{}' not a valid key=value pair (missing equal-sign) in Authorization header: '{text}'.",
                    field.trim()
                ));
            }
        }
    }
    let need = |name: &str, value: Option<&str>| {
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("Authorization header requires '{name}' parameter. Authorization={text}"))
    };
    let (key_id, scope) = credential(&need("Credential", credential_text)?)?;
    let signature = need("Signature", signature)?;
    let signed_headers = need("SignedHeaders", signed_headers)?
        .split(';')
        .map(str::to_owned)
        .collect();
    let time = headers
        .get("x-amz-date")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .or_else(|| {
            let date = headers.get(header::DATE)?.to_str().ok()?;
            let time = chrono::DateTime::parse_from_rfc2822(date).ok()?;
            Some(time.to_utc().format("%Y%m%dT%H%M%SZ").to_string())
        });
    let time = time.ok_or_else(|| {
        format!(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization={text}"
        )
    })?;
    Ok(Claim {
        key_id,
        scope,
        signed_headers,
        signature,
        time,
        expires: None,
    })
}

fn credential(text: &str) -> Result<(String, CredentialScope), String> {
    let fields: Vec<&str> = text.rsplitn(5, '/').collect();
    match fields[..] {
        ["aws4_request", service, region, date, key_id] if !key_id.is_empty() => {
            let scope = CredentialScope {
                date: date.to_owned(),
                region: region.to_owned(),
                service: service.to_owned(),
            };
            Ok((key_id.to_owned(), scope))
        }
        _ => Err("Credential should be scoped with a valid terminator: 'aws4_request', not otherwise".into()),
    }
}

impl Authentication {
    /// Checks the claim against the request's head, and takes the chunking off a chunked body so that its
    /// signatures are checked as it streams. `body` of any other kind is left to [`check_payload`].
    pub(crate) fn check(
        &self,
        clock: &Clock,
        parts: &mut Parts,
        claim: Option<&Claim>,
        wire: Wire,
        body: Body,
    ) -> Result<(Caller, Body), AwsError> {
        let (access_key, verified) = match (self, claim) {
            (Self::Anyone, _) => (None, None),
            (Self::Keys(_), None) => {
                let code = if wire == Wire::RestXml {
                    "AccessDenied"
                } else {
                    "MissingAuthenticationTokenException"
                };
                let text = if wire == Wire::RestXml {
                    "Access Denied"
                } else {
                    "Missing Authentication Token"
                };
                return Err(AwsError::new(code, text).with_status(403));
            }
            (Self::Keys(keys), Some(claim)) => {
                let key = keys.get(&claim.key_id).ok_or_else(|| unknown_key(wire))?;
                (Some(key), Some(verify(clock, parts, claim, key, wire)?))
            }
        };
        let account = match (access_key, claim) {
            (Some(key), _) => key.account.clone(),
            (None, Some(claim)) => claim.key_id.parse().unwrap_or_else(|_| AccountId::default_account()),
            (None, None) => AccountId::default_account(),
        };
        let region = claim
            .and_then(|claim| claim.scope.region.parse().ok())
            .unwrap_or_else(Region::default_region);
        let body = match payload_kind(&parts.headers) {
            PayloadKind::Chunked { signed, trailer } => {
                let verifier = verified.filter(|_| signed);
                unchunk_headers(&mut parts.headers);
                ChunkedBody::new(body, verifier, trailer).boxed_unsync()
            }
            PayloadKind::Plain => body,
        };
        let access_key = claim.map(|claim| claim.key_id.clone()).unwrap_or_default();
        Ok((
            Caller {
                scope: Scope::new(account, region),
                access_key,
            },
            body,
        ))
    }
}

enum PayloadKind {
    Plain,
    Chunked { signed: bool, trailer: bool },
}

fn payload_kind(headers: &HeaderMap) -> PayloadKind {
    match content_sha256(headers) {
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => PayloadKind::Chunked {
            signed: true,
            trailer: false,
        },
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => PayloadKind::Chunked {
            signed: true,
            trailer: true,
        },
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => PayloadKind::Chunked {
            signed: false,
            trailer: true,
        },
        _ => PayloadKind::Plain,
    }
}

fn content_sha256(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-content-sha256")?.to_str().ok()
}

/// The headers as they would be without the chunking.
fn unchunk_headers(headers: &mut HeaderMap) {
    let encoding = headers.remove(header::CONTENT_ENCODING);
    if let Some(rest) = encoding.as_ref().and_then(|value| value.to_str().ok()) {
        let kept: Vec<&str> = rest
            .split(',')
            .map(str::trim)
            .filter(|e| *e != "aws-chunked" && !e.is_empty())
            .collect();
        if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_str(&kept.join(","))) {
            headers.insert(header::CONTENT_ENCODING, value);
        }
    }
    headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = headers.remove("x-amz-decoded-content-length") {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    headers.insert("x-amz-content-sha256", HeaderValue::from_static("UNSIGNED-PAYLOAD"));
}

fn unknown_key(wire: Wire) -> AwsError {
    match wire {
        Wire::RestXml => AwsError::new(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Wire::Query => AwsError::new(
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        _ => AwsError::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
    }
    .with_status(403)
}

fn signature_mismatch(wire: Wire) -> AwsError {
    let code = match wire {
        Wire::RestXml | Wire::Query => "SignatureDoesNotMatch",
        _ => "InvalidSignatureException",
    };
    let text = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                Access Key and signing method. Consult the service documentation for details.";
    AwsError::new(code, text).with_status(403)
}

/// A claim that cannot be read, in the service's words.
pub(crate) fn incomplete(wire: Wire, message: String) -> AwsError {
    let code = match wire {
        Wire::RestXml => "AuthorizationHeaderMalformed",
        Wire::Query => "IncompleteSignature",
        _ => "IncompleteSignatureException",
    };
    AwsError::new(code, message).with_status(400)
}

fn verify(clock: &Clock, parts: &Parts, claim: &Claim, key: &AccessKey, wire: Wire) -> Result<ChunkVerifier, AwsError> {
    check_time(clock.now_ms(), claim, wire)?;
    if !claim
        .signed_headers
        .iter()
        .any(|name| name == "host" || name == ":authority")
    {
        return Err(signature_mismatch(wire));
    }
    let payload_hash = match (claim.expires, content_sha256(&parts.headers)) {
        (Some(_), None) if wire == Wire::RestXml => "UNSIGNED-PAYLOAD".to_owned(),
        (_, Some(hash)) => hash.to_owned(),
        // The body is hashed by whoever has it; see `Pending`.
        (_, None) => match parts.extensions.get::<PayloadHash>() {
            Some(PayloadHash(hash)) => hash.clone(),
            None => crate::sigv4::EMPTY_SHA256.to_owned(),
        },
    };
    let signing_key = SigningKey::derive(&key.secret, &claim.scope);
    let canonical = Canonical {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        signed_headers: &claim.signed_headers,
        payload_hash: &payload_hash,
        path_as_is: wire == Wire::RestXml,
    };
    let signature = signing_key.sign(&string_to_sign(&claim.time, &claim.scope, &canonical.text()));
    if !same(&signature, &claim.signature) {
        return Err(signature_mismatch(wire));
    }
    Ok(ChunkVerifier {
        key: signing_key,
        scope: claim.scope.clone(),
        time: claim.time.clone(),
        previous: signature,
    })
}

/// The SHA-256 of a body that was read whole before its signature is checked.
#[derive(Clone)]
pub(crate) struct PayloadHash(pub String);

fn check_time(now_ms: Millis, claim: &Claim, wire: Wire) -> Result<(), AwsError> {
    let parsed = chrono::NaiveDateTime::parse_from_str(&claim.time, "%Y%m%dT%H%M%SZ");
    let signed_ms = parsed.map_err(|_| {
        incomplete(
            wire,
            format!("Date must be in ISO-8601 'basic format'. Got '{}'.", claim.time),
        )
    })?;
    let signed_ms = signed_ms.and_utc().timestamp_millis();
    if !claim.time.starts_with(&claim.scope.date) {
        return Err(signature_mismatch(wire));
    }
    if let Some(expires) = claim.expires {
        if now_ms > signed_ms + expires * 1000 {
            return Err(AwsError::new("AccessDenied", "Request has expired").with_status(403));
        }
        return Ok(());
    }
    let skew = now_ms - signed_ms;
    if wire == Wire::RestXml {
        if skew.abs() > SKEW_S3_MS_MAX {
            let text = "The difference between the request time and the server's time is too large.";
            return Err(AwsError::new("RequestTimeTooSkewed", text).with_status(403));
        }
        return Ok(());
    }
    if skew.abs() <= SKEW_MS_MAX {
        return Ok(());
    }
    let basic = |ms: Millis| {
        chrono::DateTime::from_timestamp_millis(ms)
            .unwrap_or_default()
            .format("%Y%m%dT%H%M%SZ")
            .to_string()
    };
    let (time, now) = (&claim.time, basic(now_ms));
    let text = if skew > 0 {
        format!(
            "Signature expired: {time} is now earlier than {} ({now} - 5 min.)",
            basic(now_ms - SKEW_MS_MAX)
        )
    } else {
        format!(
            "Signature not yet current: {time} is still later than {} ({now} + 5 min.)",
            basic(now_ms + SKEW_MS_MAX)
        )
    };
    let code = if wire == Wire::Query {
        "SignatureDoesNotMatch"
    } else {
        "InvalidSignatureException"
    };
    Err(AwsError::new(code, text).with_status(403))
}

/// Checks a body that was read whole against the hash its head claims. A caller that signs the hash of another
/// body, or whose body changed on the way, is refused.
pub(crate) fn check_payload(headers: &HeaderMap, body: &Bytes, wire: Wire) -> Result<(), AwsError> {
    match content_sha256(headers) {
        Some(hash) if hash.len() == 64 && !same(&sha256_hex(body), &hash.to_ascii_lowercase()) => match wire {
            Wire::RestXml => Err(payload_mismatch()),
            _ => Err(signature_mismatch(wire)),
        },
        _ => Ok(()),
    }
}

pub(crate) fn payload_mismatch() -> AwsError {
    AwsError::new(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )
    .with_status(400)
}

//! Who calls: the credentials of a request, checked where access keys are configured.

use std::collections::HashMap;

use base::{AccountId, Clock, Millis, Region, Scope};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::BodyExt;

use crate::sigv4::chunked::{ChunkVerifier, ChunkedBody};
use crate::sigv4::{ALGORITHM, Canonical, CredentialScope, SigningKey, same, sha256_hex, string_to_sign};
use crate::{AwsError, Body, Wire};

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

/// Who a request says it is from, before anything is checked.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// The key and where the request is for, as far as they can be read.
    pub credential: Option<(String, CredentialScope)>,
    /// `Ok(None)` of a request that is not signed at all, a text of what is wrong with a signature that cannot
    /// be read.
    signature: Result<Option<Signature>, String>,
    is_presigned: bool,
}

#[derive(Debug, Clone)]
struct Signature {
    key_id: String,
    scope: CredentialScope,
    signed_headers: Vec<String>,
    text: String,
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

/// Reads what the request says of its caller.
pub(crate) fn claim(uri: &Uri, headers: &HeaderMap) -> Claim {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let stated = text
            .split([' ', ','])
            .find_map(|field| field.strip_prefix("Credential="));
        return Claim {
            credential: stated.and_then(|text| credential(text).ok()),
            signature: header_signature(&text, headers).map(Some),
            is_presigned: false,
        };
    }
    let query = crate::uri::pairs(uri.query().unwrap_or_default());
    let find = |name: &str| {
        let found = query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    if find("X-Amz-Signature").is_none() {
        return Claim {
            credential: None,
            signature: Ok(None),
            is_presigned: false,
        };
    }
    Claim {
        credential: find("X-Amz-Credential").and_then(|text| credential(text).ok()),
        signature: query_signature(&find).map(Some),
        is_presigned: true,
    }
}

fn query_signature<'q>(find: &impl Fn(&str) -> Option<&'q str>) -> Result<Signature, String> {
    let need = |name: &str| find(name).ok_or_else(|| format!("the query string lacks '{name}'"));
    if need("X-Amz-Algorithm")? != ALGORITHM {
        return Err("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".into());
    }
    let (key_id, scope) = credential(need("X-Amz-Credential")?)?;
    let expires = need("X-Amz-Expires")?
        .parse()
        .map_err(|_| "X-Amz-Expires should be a number".to_owned())?;
    if !(0..=EXPIRES_SECONDS_MAX).contains(&expires) {
        return Err("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds".into());
    }
    Ok(Signature {
        key_id,
        scope,
        signed_headers: need("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect(),
        text: need("X-Amz-Signature")?.to_owned(),
        time: need("X-Amz-Date")?.to_owned(),
        expires: Some(expires),
    })
}

fn header_signature(text: &str, headers: &HeaderMap) -> Result<Signature, String> {
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
    Ok(Signature {
        key_id,
        scope,
        signed_headers,
        text: signature,
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
    /// Refuses a claim that can be seen to be worth nothing without the rest of the request.
    pub(crate) fn check_known(&self, claim: &Claim, wire: Wire) -> Result<(), AwsError> {
        match self {
            Self::Anyone => Ok(()),
            Self::Keys(keys) => known(keys, claim, wire).map(drop),
        }
    }

    /// Checks the claim against the request's head, and takes the chunking off a chunked body so that its
    /// signatures are checked as it streams. `body` of any other kind is left to [`check_payload`].
    pub(crate) fn check(
        &self,
        clock: &Clock,
        parts: &mut Parts,
        claim: &Claim,
        wire: Wire,
        body: Body,
    ) -> Result<(Caller, Body), AwsError> {
        let (account, verifier) = match self {
            Self::Anyone => {
                let key_id = claim.credential.as_ref().map(|(key_id, _)| key_id);
                (key_id.and_then(|key_id| key_id.parse().ok()), None)
            }
            Self::Keys(keys) => {
                let (signature, key) = known(keys, claim, wire)?;
                (
                    Some(key.account.clone()),
                    Some(verify(clock, parts, signature, key, wire)?),
                )
            }
        };
        let (key_id, region) = match &claim.credential {
            Some((key_id, scope)) => (key_id.clone(), scope.region.parse().ok()),
            None => (String::new(), None),
        };
        let body = match content_sha256(&parts.headers).and_then(chunking) {
            Some(Chunking { signed, trailer }) => {
                let verifier = verifier.filter(|_| signed);
                unchunk_headers(&mut parts.headers);
                let announced = trailer.then(|| announced_trailers(&parts.headers));
                ChunkedBody::new(body, verifier, announced).boxed_unsync()
            }
            None => body,
        };
        let account = account.unwrap_or_else(AccountId::default_account);
        let caller = Caller {
            scope: Scope::new(account, region.unwrap_or_else(Region::default_region)),
            access_key: key_id,
        };
        Ok((caller, body))
    }
}

/// The signature and the key that it names.
fn known<'a>(
    keys: &'a HashMap<String, AccessKey>,
    claim: &'a Claim,
    wire: Wire,
) -> Result<(&'a Signature, &'a AccessKey), AwsError> {
    let unreadable = |text: &String| unreadable(wire, claim.is_presigned, text.clone());
    let signature = claim.signature.as_ref().map_err(unreadable)?;
    let signature = signature.as_ref().ok_or_else(|| unsigned(wire))?;
    let key = keys.get(&signature.key_id).ok_or_else(|| unknown_key(wire))?;
    Ok((signature, key))
}

/// How a body in chunks is signed.
#[derive(Clone, Copy)]
struct Chunking {
    signed: bool,
    trailer: bool,
}

fn chunking(content_sha256: &str) -> Option<Chunking> {
    let (signed, trailer) = match content_sha256 {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => (true, false),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => (true, true),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => (false, true),
        _ => return None,
    };
    Some(Chunking { signed, trailer })
}

/// The names of the trailing headers, in lower case.
fn announced_trailers(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("x-amz-trailer").iter();
    let names = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
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

fn unsigned(wire: Wire) -> AwsError {
    let (code, text) = match wire {
        Wire::RestXml => ("AccessDenied", "Access Denied"),
        Wire::Query => ("MissingAuthenticationToken", "Request is missing Authentication Token"),
        _ => ("MissingAuthenticationTokenException", "Missing Authentication Token"),
    };
    AwsError::new(code, text).with_status(403)
}

/// A signature that cannot be read, in the service's words.
fn unreadable(wire: Wire, is_presigned: bool, message: String) -> AwsError {
    let code = match wire {
        Wire::RestXml if is_presigned => "AuthorizationQueryParametersError",
        Wire::RestXml => "AuthorizationHeaderMalformed",
        Wire::Query => "IncompleteSignature",
        _ => "IncompleteSignatureException",
    };
    AwsError::new(code, message).with_status(400)
}

fn verify(
    clock: &Clock,
    parts: &Parts,
    signature: &Signature,
    key: &AccessKey,
    wire: Wire,
) -> Result<ChunkVerifier, AwsError> {
    check_time(clock.now_ms(), signature, wire)?;
    check_signed_headers(&parts.headers, signature, wire)?;
    let is_presigned = signature.expires.is_some();
    let payload_hash = match content_sha256(&parts.headers) {
        Some(hash) => hash.to_owned(),
        None if wire == Wire::RestXml && is_presigned => "UNSIGNED-PAYLOAD".to_owned(),
        None if wire == Wire::RestXml => {
            let text = "Missing required header for this request: x-amz-content-sha256";
            return Err(AwsError::new("InvalidRequest", text).with_status(400));
        }
        None => match parts.extensions.get::<PayloadHash>() {
            Some(PayloadHash(hash)) => hash.clone(),
            None => crate::sigv4::EMPTY_SHA256.to_owned(),
        },
    };
    if wire == Wire::RestXml && !is_payload_hash(&payload_hash) {
        let text = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid \
                    sha256 value.";
        return Err(AwsError::new("InvalidArgument", text).with_status(400));
    }
    let signing_key = SigningKey::derive(&key.secret, &signature.scope);
    let canonical = Canonical {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        signed_headers: &signature.signed_headers,
        payload_hash: &payload_hash,
        path_as_is: wire == Wire::RestXml,
    };
    let computed = signing_key.sign(&string_to_sign(&signature.time, &signature.scope, &canonical.text()));
    if !same(&computed, &signature.text) {
        return Err(signature_mismatch(wire));
    }
    Ok(ChunkVerifier {
        key: signing_key,
        scope: signature.scope.clone(),
        time: signature.time.clone(),
        previous: computed,
    })
}

/// The signature must cover the host and every header that changes what a request means; else whoever has a
/// signed request could make another one of it.
fn check_signed_headers(headers: &HeaderMap, signature: &Signature, wire: Wire) -> Result<(), AwsError> {
    let is_signed = |name: &str| signature.signed_headers.iter().any(|signed| signed == name);
    let host = is_signed("host");
    let left_out = headers
        .keys()
        .map(header::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-") && !is_signed(name));
    let left_out: Vec<&str> = left_out.chain((!host).then_some("host")).collect();
    if left_out.is_empty() {
        return Ok(());
    }
    let text = "There were headers present in the request which were not signed";
    let code = match wire {
        Wire::RestXml => "AccessDenied",
        Wire::Query => "SignatureDoesNotMatch",
        _ => "InvalidSignatureException",
    };
    Err(AwsError::new(code, format!("{text}: {}", left_out.join(", "))).with_status(403))
}

/// Whether the value says how the body is signed: its hash, not at all, or in chunks.
fn is_payload_hash(value: &str) -> bool {
    let is_hash = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash || value == "UNSIGNED-PAYLOAD" || chunking(value).is_some()
}

/// The SHA-256 of a body that was read whole before its signature is checked.
#[derive(Clone)]
pub(crate) struct PayloadHash(pub String);

fn check_time(now_ms: Millis, signature: &Signature, wire: Wire) -> Result<(), AwsError> {
    let parsed = chrono::NaiveDateTime::parse_from_str(&signature.time, "%Y%m%dT%H%M%SZ");
    let signed_ms = parsed.map_err(|_| {
        let text = format!("Date must be in ISO-8601 'basic format'. Got '{}'.", signature.time);
        unreadable(wire, signature.expires.is_some(), text)
    })?;
    let signed_ms = signed_ms.and_utc().timestamp_millis();
    if !signature.time.starts_with(&signature.scope.date) {
        return Err(signature_mismatch(wire));
    }
    if let Some(expires) = signature.expires {
        if now_ms > signed_ms + expires * 1000 {
            return Err(AwsError::new("AccessDenied", "Request has expired").with_status(403));
        }
        if signed_ms > now_ms + SKEW_S3_MS_MAX {
            return Err(AwsError::new("AccessDenied", "Request is not valid yet").with_status(403));
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
    let (time, now) = (&signature.time, basic(now_ms));
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
        Some(hash) if hash.len() == 64 && !same(&sha256_hex(body), &hash.to_ascii_lowercase()) => {
            Err(signature_mismatch(wire))
        }
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

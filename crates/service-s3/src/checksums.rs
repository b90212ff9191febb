//! Content digests: what a request says about its content and what an answer says about an object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use s3s::dto::{ChecksumAlgorithm, ChecksumType};
use s3s::{S3Result, s3_error};
use store_objects::{Algorithm, Checksum, Expected};

pub(crate) fn header_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Crc32 => "x-amz-checksum-crc32",
        Algorithm::Crc32c => "x-amz-checksum-crc32c",
        Algorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        Algorithm::Sha1 => "x-amz-checksum-sha1",
        Algorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

pub(crate) fn algorithm(named: Option<&ChecksumAlgorithm>) -> S3Result<Option<Algorithm>> {
    let Some(named) = named else { return Ok(None) };
    let known = Algorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.to_string() == named.as_str().to_ascii_uppercase());
    match known {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(s3_error!(
            InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
        )),
    }
}

pub(crate) fn name(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from(algorithm.to_string())
}

/// Which digests a request with content announces.
pub(crate) struct Announced {
    /// The checksum to compute.
    pub(crate) algorithm: Option<Algorithm>,
    expected: Expected,
}

impl Announced {
    /// From the headers, the algorithm the SDK names and the Content-MD5.
    pub(crate) fn new(headers: &HeaderMap, named: Option<&ChecksumAlgorithm>, md5: Option<&str>) -> S3Result<Self> {
        let md5 = md5.map(parse_md5).transpose()?;
        let checksum = find(headers)?;
        let trailing = headers
            .get("x-amz-trailer")
            .and_then(|value| value.to_str().ok())
            .and_then(|trailer| {
                Algorithm::ALL.into_iter().find(|a| {
                    trailer
                        .split(',')
                        .any(|name| name.trim().eq_ignore_ascii_case(header_name(*a)))
                })
            });
        let algorithm = checksum
            .as_ref()
            .map(|checksum| checksum.algorithm)
            .or(trailing)
            .or(algorithm(named)?);
        Ok(Self {
            algorithm,
            expected: Expected { md5, checksum },
        })
    }

    /// Nothing is announced, so nothing is to be checked.
    pub(crate) fn is_empty(&self) -> bool {
        self.algorithm.is_none() && self.expected == Expected::default()
    }

    /// What the content must be, once the trailing headers are there.
    pub(crate) fn expected(self, trailers: &HeaderMap, computed: Algorithm) -> S3Result<Expected> {
        let mut expected = self.expected;
        if expected.checksum.is_none() {
            expected.checksum = find(trailers)?;
        }
        match &expected.checksum {
            Some(checksum) if checksum.algorithm != computed => Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                computed.to_string().to_lowercase(),
                checksum.algorithm.to_string().to_lowercase()
            )),
            _ => Ok(expected),
        }
    }
}

/// The one checksum among headers.
fn find(headers: &HeaderMap) -> S3Result<Option<Checksum>> {
    let mut found = None;
    for algorithm in Algorithm::ALL {
        let Some(value) = headers.get(header_name(algorithm)) else {
            continue;
        };
        if found.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        let value = value.to_str().unwrap_or_default();
        found = Some(parse(algorithm, value)?);
    }
    Ok(found)
}

/// A checksum as headers and XML have it: base64, behind which a composite one says how many parts it is of.
pub(crate) fn parse(algorithm: Algorithm, text: &str) -> S3Result<Checksum> {
    let (digest, parts) = match text.split_once('-') {
        Some((digest, parts)) => (digest, parts.parse().ok()),
        None => (text, None),
    };
    match BASE64.decode(digest) {
        Ok(value) if value.len() == algorithm.width() => Ok(Checksum {
            algorithm,
            value,
            composite_of: parts,
        }),
        _ => Err(s3_error!(
            InvalidRequest,
            "Value for {} header is invalid.",
            header_name(algorithm)
        )),
    }
}

fn parse_md5(text: &str) -> S3Result<[u8; 16]> {
    let digest = BASE64.decode(text).ok().and_then(|digest| digest.try_into().ok());
    digest.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."))
}

/// A checksum in the five fields that outputs have for it.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) crc32: Option<String>,
    pub(crate) crc32c: Option<String>,
    pub(crate) crc64nvme: Option<String>,
    pub(crate) sha1: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) kind: Option<ChecksumType>,
}

impl Fields {
    pub(crate) fn of(checksum: Option<&Checksum>) -> Self {
        let mut fields = Self::default();
        let Some(checksum) = checksum else { return fields };
        let mut text = BASE64.encode(&checksum.value);
        let kind = match checksum.composite_of {
            Some(parts) => {
                text.push_str(&format!("-{parts}"));
                ChecksumType::COMPOSITE
            }
            None => ChecksumType::FULL_OBJECT,
        };
        fields.kind = Some(ChecksumType::from_static(kind));
        let field = match checksum.algorithm {
            Algorithm::Crc32 => &mut fields.crc32,
            Algorithm::Crc32c => &mut fields.crc32c,
            Algorithm::Crc64Nvme => &mut fields.crc64nvme,
            Algorithm::Sha1 => &mut fields.sha1,
            Algorithm::Sha256 => &mut fields.sha256,
        };
        *field = Some(text);
        fields
    }
}

/// The checksum among the five fields that inputs have for it.
pub(crate) fn from_fields(fields: [(Algorithm, Option<&String>); 5]) -> S3Result<Option<Checksum>> {
    let given = fields
        .into_iter()
        .find_map(|(algorithm, value)| Some((algorithm, value?)));
    given.map(|(algorithm, value)| parse(algorithm, value)).transpose()
}

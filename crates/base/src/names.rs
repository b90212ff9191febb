//! Typed identifiers: accounts, regions and Amazon Resource Names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that does not have the form its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct InvalidName {
    pub value: String,
    pub expected: &'static str,
}

/// Twelve decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// The account of every access key that is not itself an account id.
    pub fn default_account() -> Self {
        Self("000000000000".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName {
                value: text.to_owned(),
                expected: "an account id of twelve digits",
            })
        }
    }
}

/// A region code, such as `us-east-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Arc<str>);

impl Region {
    /// The region of a request that names none.
    pub fn default_region() -> Self {
        Self("us-east-1".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let well_formed = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if well_formed {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName {
                value: text.to_owned(),
                expected: "a region code such as us-east-1",
            })
        }
    }
}

/// Where state lives: the account and the region of a request's credential scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    pub account: AccountId,
    pub region: Region,
}

impl Scope {
    pub fn new(account: AccountId, region: Region) -> Self {
        Self { account, region }
    }

    /// `arn:aws:<service>:<region>:<account>:<resource>`.
    pub fn arn(&self, service: &str, resource: impl fmt::Display) -> Arn {
        Arn {
            partition: partition_of(self.region.as_str()).to_owned(),
            service: service.to_owned(),
            region: self.region.as_str().to_owned(),
            account: self.account.as_str().to_owned(),
            resource: resource.to_string(),
        }
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new(AccountId::default_account(), Region::default_region())
    }
}

fn partition_of(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// An Amazon Resource Name: `arn:partition:service:region:account:resource`. Region and account may be
/// empty (`arn:aws:s3:::bucket`); the resource may itself hold colons.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    pub resource: String,
}

impl Arn {
    /// The part of the resource behind `prefix`, such as the name behind `stream/`.
    pub fn resource_after(&self, prefix: &str) -> Option<&str> {
        self.resource.strip_prefix(prefix)
    }

    /// The account and region this name points into, where it names both.
    pub fn scope(&self) -> Option<Scope> {
        Some(Scope::new(self.account.parse().ok()?, self.region.parse().ok()?))
    }
}

impl FromStr for Arn {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        match (next(), next(), next(), next(), next(), next()) {
            (Some("arn"), Some(partition), Some(service), Some(region), Some(account), Some(resource))
                if !partition.is_empty() && !service.is_empty() && !resource.is_empty() =>
            {
                Ok(Self {
                    partition: partition.to_owned(),
                    service: service.to_owned(),
                    region: region.to_owned(),
                    account: account.to_owned(),
                    resource: resource.to_owned(),
                })
            }
            _ => Err(InvalidName {
                value: text.to_owned(),
                expected: "an Amazon Resource Name",
            }),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.to_string()
    }
}

impl TryFrom<String> for Arn {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for AccountId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_survive_a_round_trip_and_bad_ones_are_refused() {
        for text in [
            "arn:aws:kinesis:us-east-1:000000000000:stream/flights",
            "arn:aws:s3:::lake/flights/year=2013/",
            "arn:aws:logs:eu-west-1:123456789012:log-group:a:log-stream:b",
        ] {
            assert_eq!(text.parse::<Arn>().expect(text).to_string(), text);
        }
        for text in [
            "",
            "arn",
            "arn:aws:s3",
            "arn:aws:s3:::",
            "urn:aws:s3:::x",
            "arn::s3:::x",
        ] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }

    #[test]
    fn accounts_and_regions_have_their_forms() {
        assert!("123456789012".parse::<AccountId>().is_ok());
        assert!("12345678901a".parse::<AccountId>().is_err());
        assert!("12345678901".parse::<AccountId>().is_err());
        assert!("us-gov-west-1".parse::<Region>().is_ok());
        assert!("US-EAST-1".parse::<Region>().is_err());
        assert!("".parse::<Region>().is_err());
        let scope = Scope::new("123456789012".parse().unwrap(), "cn-north-1".parse().unwrap());
        assert_eq!(
            scope.arn("kinesis", "stream/a").to_string(),
            "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a"
        );
    }
}

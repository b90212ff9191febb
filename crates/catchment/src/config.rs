//! The effective settings: defaults, then the file, then the environment, then the flags.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base::AccountId;
use protocol_aws::{AccessKey, Authentication};
use serde::{Deserialize, Serialize};
use store_objects::Remote;

use crate::cli::{Durability, LimitsProfile, LogFormat, ServeArguments};

const FILE: &str = "catchment.toml";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// `ID:SECRET` or `ID:SECRET:ACCOUNT`.
    pub access_keys: Vec<String>,
    pub limits: LimitsProfile,
    pub durability: Durability,
    pub log_format: LogFormat,
    pub log: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    pub cors_origins: Vec<String>,
    pub allowed_hosts: Vec<String>,
    /// How long Kinesis streams and consumers stay in passing states.
    pub state_delay_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// `KEY=VALUE`.
    pub tier_options: Vec<String>,
    pub connections_max: usize,
    /// Buckets of somebody else that delivery streams may write to, by name: `url`, and options as the tier has them.
    /// In the file only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub remote_buckets: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4566)),
            data_dir: "catchment-data".into(),
            access_keys: Vec::new(),
            limits: LimitsProfile::None,
            durability: Durability::Fsync,
            log_format: LogFormat::Human,
            log: "info".into(),
            tls_cert: None,
            tls_key: None,
            cors_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            state_delay_ms: 0,
            tier: None,
            tier_options: Vec::new(),
            connections_max: 10_000,
            remote_buckets: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the file, if any, and lays the flags (which hold the environment) over it.
    pub(crate) fn load(file: Option<&Path>, flags: ServeArguments) -> Result<Self> {
        let mut config = match file {
            Some(file) => Self::read(file)?,
            None if Path::new(FILE).exists() => Self::read(Path::new(FILE))?,
            None => Self::default(),
        };
        config.lay_over(flags);
        config.check()?;
        Ok(config)
    }

    fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not a settings file", file.display()))
    }

    fn lay_over(&mut self, flags: ServeArguments) {
        fn over<T>(setting: &mut T, flag: Option<T>) {
            if let Some(flag) = flag {
                *setting = flag;
            }
        }
        over(&mut self.listen, flags.listen);
        over(&mut self.data_dir, flags.data_dir);
        over(&mut self.limits, flags.limits);
        over(&mut self.durability, flags.durability);
        over(&mut self.log_format, flags.log_format);
        over(&mut self.log, flags.log);
        over(&mut self.state_delay_ms, flags.state_delay_ms);
        over(&mut self.connections_max, flags.connections_max);
        over(&mut self.tier, flags.tier.map(Some));
        over(
            &mut self.tier_options,
            Some(flags.tier_options).filter(|options| !options.is_empty()),
        );
        over(&mut self.tls_cert, flags.tls_cert.map(Some));
        over(&mut self.tls_key, flags.tls_key.map(Some));
        over(
            &mut self.access_keys,
            Some(flags.access_keys).filter(|keys| !keys.is_empty()),
        );
        over(
            &mut self.cors_origins,
            Some(flags.cors_origins).filter(|origins| !origins.is_empty()),
        );
        over(
            &mut self.allowed_hosts,
            Some(flags.allowed_hosts).filter(|hosts| !hosts.is_empty()),
        );
    }

    fn check(&self) -> Result<()> {
        self.authentication()?;
        ensure!(
            self.tls_cert.is_some() == self.tls_key.is_some(),
            "--tls-cert and --tls-key go together"
        );
        for option in &self.tier_options {
            ensure!(
                option.contains('=') && self.tier.is_some(),
                "--tier-option has the form KEY=VALUE and goes with --tier"
            );
        }
        ensure!(self.connections_max > 0, "--connections-max must be at least 1");
        Ok(())
    }

    /// Whom the server believes. Refuses an open address without keys.
    pub(crate) fn authentication(&self) -> Result<Authentication> {
        if self.access_keys.is_empty() {
            if !self.listen.ip().is_loopback() {
                bail!(
                    "refusing to listen on {} without access keys: anyone who reaches it could read and delete \
                     everything. Set --access-key ID:SECRET (or CATCHMENT_ACCESS_KEYS, or access_keys in the settings \
                     file), or listen on 127.0.0.1.",
                    self.listen
                );
            }
            return Ok(Authentication::Anyone);
        }
        let keys = self
            .access_keys
            .iter()
            .map(|text| parse_key(text))
            .collect::<Result<Vec<_>>>()?;
        Ok(Authentication::keys(keys))
    }

    /// The place that `tier` names, if one is set.
    pub(crate) fn tier(&self) -> Result<Option<Remote>> {
        let options = self.tier_options.iter().filter_map(|option| option.split_once('='));
        let opened = self.tier.as_ref().map(|url| Remote::open(url, options));
        Ok(opened.transpose()?)
    }

    /// The places that `remote_buckets` names.
    pub(crate) fn remote_buckets(&self) -> Result<BTreeMap<String, Remote>> {
        let all = self.remote_buckets.iter();
        let opened = all.map(|(name, options)| {
            let url = options
                .get("url")
                .with_context(|| format!("remote_buckets.{name} has no url"))?;
            let options = options.iter().filter(|(key, _)| *key != "url");
            let options = options.map(|(key, value)| (key.as_str(), value.as_str()));
            let remote = Remote::open(url, options).with_context(|| format!("remote_buckets.{name}"))?;
            Ok((name.clone(), remote))
        });
        opened.collect()
    }

    /// The settings as TOML, with the secrets hidden.
    pub(crate) fn print(&self) -> Result<String> {
        let mut shown = self.clone();
        for key in &mut shown.access_keys {
            let parts: Vec<&str> = key.split(':').collect();
            let hidden = match parts[..] {
                [id, _, account] => format!("{id}:****:{account}"),
                [id, ..] => format!("{id}:****"),
                [] => String::new(),
            };
            *key = hidden;
        }
        for option in &mut shown.tier_options {
            if let Some((key, _)) = option.split_once('=').filter(|(key, _)| !is_public(key)) {
                *option = format!("{key}=****");
            }
        }
        for (key, value) in shown.remote_buckets.values_mut().flatten() {
            if key != "url" && !is_public(key) {
                "****".clone_into(value);
            }
        }
        Ok(toml::to_string(&shown)?)
    }
}

/// Whether the value of an option of the tier may be shown. What is not known to be harmless may be a secret.
fn is_public(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let key = key.strip_prefix("aws_").unwrap_or(&key);
    [
        "endpoint",
        "endpoint_url",
        "region",
        "default_region",
        "timeout",
        "connect_timeout",
    ]
    .contains(&key)
}

fn parse_key(text: &str) -> Result<AccessKey> {
    let parts: Vec<&str> = text.split(':').collect();
    let (id, secret, account) = match parts[..] {
        [id, secret] => (id, secret, None),
        [id, secret, account] => (id, secret, Some(account.parse::<AccountId>()?)),
        _ => bail!("an access key has the form ID:SECRET or ID:SECRET:ACCOUNT"),
    };
    ensure!(
        !id.is_empty() && !secret.is_empty(),
        "an access key needs an id and a secret"
    );
    let account = account
        .or_else(|| id.parse().ok())
        .unwrap_or_else(AccountId::default_account);
    Ok(AccessKey {
        id: id.to_owned(),
        secret: secret.to_owned(),
        account,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(listen: &str, keys: &[&str]) -> ServeArguments {
        ServeArguments {
            listen: Some(listen.parse().expect("an address")),
            access_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            ..ServeArguments::default()
        }
    }

    #[test]
    fn hosts_come_from_the_file_and_from_flags() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "allowed_hosts = [\"a.example\"]\n").expect("writes");
        let config = Config::load(Some(&file), ServeArguments::default()).expect("loads");
        assert_eq!(config.allowed_hosts, ["a.example"]);
        let flags = ServeArguments {
            allowed_hosts: vec!["b.example".to_owned()],
            ..ServeArguments::default()
        };
        assert_eq!(
            Config::load(Some(&file), flags).expect("loads").allowed_hosts,
            ["b.example"]
        );
    }

    #[test]
    fn an_open_address_needs_keys_and_keys_have_a_form() {
        let load = |listen: &str, keys: &[&str]| Config::load(None, flags(listen, keys));
        assert!(load("127.0.0.1:1", &[]).is_ok());
        assert!(load("[::1]:1", &[]).is_ok());
        assert!(load("0.0.0.0:1", &["id:secret"]).is_ok());
        let refused = load("0.0.0.0:1", &[]).expect_err("refused").to_string();
        assert!(refused.contains("--access-key ID:SECRET"), "{refused}");
        for bad in ["id", "id:", ":secret", "id:secret:12", "a:b:c:d"] {
            assert!(load("127.0.0.1:1", &[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_override_the_file_and_secrets_are_not_printed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("c.toml");
        std::fs::write(
            &file,
            "listen = \"127.0.0.1:1\"\nlimits = \"aws\"\naccess_keys = [\"id:hush\"]\n",
        )
        .expect("writes");
        let config = Config::load(Some(&file), ServeArguments::default()).expect("loads");
        assert_eq!((config.listen.port(), config.limits), (1, LimitsProfile::Aws));
        assert!(!config.print().expect("prints").contains("hush"));
        let with_tier = Config {
            tier: Some("s3://lake/old".to_owned()),
            tier_options: ["region=r", "secret_access_key=hush", "aws_sse_customer_key_base64=hush"]
                .map(str::to_owned)
                .into(),
            ..config.clone()
        };
        let printed = with_tier.print().expect("prints");
        assert!(printed.contains("region=r") && !printed.contains("hush"), "{printed}");
        let config = Config::load(Some(&file), flags("127.0.0.1:2", &[])).expect("loads");
        assert_eq!(config.listen.port(), 2);
        std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").expect("writes");
        assert!(
            format!(
                "{:#}",
                Config::load(Some(&file), ServeArguments::default()).expect_err("refused")
            )
            .contains("lisen")
        );
    }
}

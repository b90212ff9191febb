//! Records encrypted at rest: AES-256-GCM under data keys that are derived from a master key of this installation.
//!
//! A record's value is the cipher text with its tag behind it, and a record header says by which data key and with
//! which nonce. The partition key is authenticated with it, so that values cannot be moved to other keys.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

const MASTER_BYTES: usize = 32;
const ID_BYTES: usize = 16;
/// The record header that marks an encrypted value: the data key's id and the nonce.
pub(crate) const HEADER: &[u8] = b"catchment.sealed";
pub(crate) const HEADER_VALUE_BYTES: usize = ID_BYTES + NONCE_LEN;
pub(crate) const TAG_BYTES: usize = MAX_TAG_LEN;

type KeyId = [u8; ID_BYTES];

/// What a key may be used for now. Records are neither encrypted nor decrypted with one that is not enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    #[default]
    Enabled,
    Disabled,
    PendingDeletion,
    Missing,
    AccessDenied,
    Throttled,
    NotSubscribed,
}

/// The data keys. Clones share them.
#[derive(Clone)]
pub struct KeyStore(Arc<Inner>);

struct Inner {
    master: hmac::Key,
    random: SystemRandom,
    keys: RwLock<HashMap<KeyId, DataKey>>,
}

/// A key that records are encrypted with.
#[derive(Clone)]
pub struct DataKey {
    id: KeyId,
    key: Arc<LessSafeKey>,
    state: Arc<RwLock<KeyState>>,
}

/// Why an encrypted value cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// It is not what was encrypted with this installation's key.
    Undecryptable,
    /// Its key may not be used now.
    Unusable(KeyState),
}

impl KeyStore {
    /// Reads the master key from a file, which is made where it is not there yet, for its owner alone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut master = Vec::with_capacity(MASTER_BYTES);
        match File::open(path) {
            Ok(mut file) => {
                file.read_to_end(&mut master)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => master = Self::make(path)?,
            Err(error) => return Err(error),
        }
        if master.len() != MASTER_BYTES {
            let text = format!("{} does not hold a key of {MASTER_BYTES} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Self::of(&master))
    }

    fn make(path: &Path) -> io::Result<Vec<u8>> {
        let mut master = vec![0; MASTER_BYTES];
        SystemRandom::new().fill(&mut master).map_err(|_| no_randomness())?;
        let temporary = path.with_extension("tmp");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(&master)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        // The directory may be new too, and without its name what is encrypted is lost.
        for directory in path.ancestors().skip(1).take(2).filter(|directory| directory.is_dir()) {
            File::open(directory)?.sync_all()?;
        }
        Ok(master)
    }

    fn of(master: &[u8]) -> Self {
        Self(Arc::new(Inner {
            master: hmac::Key::new(hmac::HMAC_SHA256, master),
            random: SystemRandom::new(),
            keys: RwLock::default(),
        }))
    }

    /// The data key of this name; always the same one.
    pub fn key(&self, name: &str) -> DataKey {
        let digest = digest::digest(&digest::SHA256, name.as_bytes());
        let mut id = KeyId::default();
        id.copy_from_slice(&digest.as_ref()[..ID_BYTES]);
        self.by_id(id)
    }

    fn by_id(&self, id: KeyId) -> DataKey {
        if let Some(key) = self.0.keys.read().get(&id) {
            return key.clone();
        }
        let derived = hmac::sign(&self.0.master, &id);
        // A SHA-256 has the 32 bytes that the key takes.
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).unwrap_or_else(|_| unreachable!("a key of 32 bytes"));
        let key = DataKey {
            id,
            key: Arc::new(LessSafeKey::new(key)),
            state: Arc::default(),
        };
        // Another thread may have been first, and its state is the one that counts.
        self.0.keys.write().entry(id).or_insert(key).clone()
    }

    /// Says what the key of this name may be used for from now on. Not kept over a restart.
    pub fn set_state(&self, name: &str, state: KeyState) {
        *self.key(name).state.write() = state;
    }

    /// The first bytes of the nonces of one batch, never the same twice.
    pub(crate) fn nonce_prefix(&self) -> io::Result<[u8; 8]> {
        let mut prefix = [0; 8];
        self.0.random.fill(&mut prefix).map_err(|_| no_randomness())?;
        Ok(prefix)
    }

    /// The value behind a header, if it is what was encrypted with this partition key.
    pub(crate) fn open_value(&self, header: &[u8], partition_key: &[u8], sealed: &[u8]) -> Result<Bytes, Sealed> {
        let (id, nonce) = header.split_first_chunk::<ID_BYTES>().ok_or(Sealed::Undecryptable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Sealed::Undecryptable)?;
        let key = self.by_id(*id);
        key.check_usable().map_err(Sealed::Unusable)?;
        let mut value = sealed.to_vec();
        let opened = key.key.open_in_place(nonce, Aad::from(partition_key), &mut value);
        let length = opened.map_err(|_| Sealed::Undecryptable)?.len();
        value.truncate(length);
        Ok(value.into())
    }
}

impl DataKey {
    /// Fails with the state of a key that is not enabled.
    pub fn check_usable(&self) -> Result<(), KeyState> {
        match *self.state.read() {
            KeyState::Enabled => Ok(()),
            state => Err(state),
        }
    }

    /// Encrypts a value in place and gives its tag and the header that goes with it.
    pub(crate) fn seal(
        &self,
        prefix: [u8; 8],
        number: u32,
        partition_key: &[u8],
        value: &mut [u8],
    ) -> ([u8; TAG_BYTES], [u8; HEADER_VALUE_BYTES]) {
        let mut header = [0; HEADER_VALUE_BYTES];
        header[..ID_BYTES].copy_from_slice(&self.id);
        header[ID_BYTES..ID_BYTES + 8].copy_from_slice(&prefix);
        header[ID_BYTES + 8..].copy_from_slice(&number.to_be_bytes());
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&header[ID_BYTES..]);
        let nonce = Nonce::assume_unique_for_key(nonce);
        // It fails for values of 64 GiB and more only.
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(partition_key), value)
            .unwrap_or_else(|_| unreachable!("a record is shorter than the cipher's bound"));
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(sealed.as_ref());
        (tag, header)
    }
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyStore")
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey")
    }
}

fn no_randomness() -> io::Error {
    io::Error::other("the system gives no random numbers")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn values_open_with_their_own_key_and_partition_key_only() {
        let (keys, others) = (KeyStore::of(&[1; 32]), KeyStore::of(&[2; 32]));
        let mut value = b"data".to_vec();
        let prefix = keys.nonce_prefix().expect("random");
        let (tag, header) = keys.key("alias/a").seal(prefix, 7, b"key", &mut value);
        assert_ne!(value, b"data");
        value.extend(tag);
        let open = |keys: &KeyStore, header: &[u8], key: &[u8], value: &[u8]| keys.open_value(header, key, value);
        let closed = Err(Sealed::Undecryptable);
        assert_eq!(open(&keys, &header, b"key", &value).as_deref(), Ok(&b"data"[..]));
        assert_eq!(open(&keys, &header, b"other", &value), closed);
        assert_eq!(open(&others, &header, b"key", &value), closed);
        let mut flipped = value.clone();
        flipped[0] ^= 1;
        assert_eq!(open(&keys, &header, b"key", &flipped), closed);
        let mut of_another = header;
        of_another[..ID_BYTES].copy_from_slice(&keys.key("alias/b").id);
        assert_eq!(open(&keys, &of_another, b"key", &value), closed);
        assert_eq!(open(&keys, &header[..20], b"key", &value), closed);
        keys.set_state("alias/a", KeyState::Disabled);
        assert_eq!(
            open(&keys, &header, b"key", &value),
            Err(Sealed::Unusable(KeyState::Disabled))
        );
        assert_eq!(keys.key("alias/b").check_usable(), Ok(()), "another key");
        keys.set_state("alias/a", KeyState::Enabled);
        assert_eq!(open(&keys, &header, b"key", &value).as_deref(), Ok(&b"data"[..]));
    }

    #[test]
    fn the_master_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("master.key");
        let first = KeyStore::open(&path).expect("makes");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut value = b"data".to_vec();
        let (tag, header) = first.key("k").seal([0; 8], 0, b"", &mut value);
        value.extend(tag);
        let again = KeyStore::open(&path).expect("reads");
        assert_eq!(again.open_value(&header, b"", &value).as_deref(), Ok(&b"data"[..]));
        std::fs::write(&path, b"short").expect("writes");
        assert!(KeyStore::open(&path).is_err());
    }
}

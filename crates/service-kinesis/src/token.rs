//! Opaque texts that clients hand back: NextToken and shard iterators.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

const CHECK_BYTES: usize = 8;

/// Encodes `content`, bound to what the token is for.
pub(crate) fn seal(purpose: &str, mut content: Vec<u8>) -> String {
    let check = check(purpose, &content);
    content.extend(check);
    STANDARD.encode(content)
}

/// The content of a token made by [`seal`] for the same purpose; `None` for anything else.
pub(crate) fn open(purpose: &str, text: &str) -> Option<Vec<u8>> {
    let mut content = STANDARD.decode(text).ok()?;
    let at = content.len().checked_sub(CHECK_BYTES)?;
    let given = content.split_off(at);
    (check(purpose, &content)[..] == given[..]).then_some(content)
}

/// Keeps accidents out, not attackers: a token opens nothing that its bearer could not ask for anyway.
fn check(purpose: &str, content: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Md5::new()
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(content)
        .finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest[..CHECK_BYTES]);
    check
}

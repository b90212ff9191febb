//! Keys that sort as their parts do.
//!
//! A string is written with 0x00 as 0x00 0x01 and ended by 0x00 0x00; a number is eight bytes, big-endian.
//! So every encoding delimits itself, and the encoding of a tuple's first parts is a prefix of the tuple's.

use base::{AccountId, Region, Scope};

/// A type that can stand in a key.
pub trait Key: Sized {
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes this key off the front of `bytes`; `None` where the bytes are not such a key.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        self.encode(&mut out);
        out
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(1);
        }
    }
    out.extend([0, 0]);
}

impl Key for () {
    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Key for String {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_text(self, out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        loop {
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            if byte != 0 {
                text.push(byte);
                continue;
            }
            let (&next, rest) = bytes.split_first()?;
            *bytes = rest;
            match next {
                0 => return String::from_utf8(text).ok(),
                1 => text.push(0),
                _ => return None,
            }
        }
    }
}

impl Key for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self::from_be_bytes(*head))
    }
}

impl Key for Scope {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_text(self.account.as_str(), out);
        encode_text(self.region.as_str(), out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let account: AccountId = String::decode(bytes)?.parse().ok()?;
        let region: Region = String::decode(bytes)?.parse().ok()?;
        Some(Self::new(account, region))
    }
}

macro_rules! tuple_key {
    ($($part:ident),+) => {
        impl<$($part: Key),+> Key for ($($part,)+) {
            fn encode(&self, out: &mut Vec<u8>) {
                #[expect(non_snake_case, reason = "the parts are named after their types")]
                let ($($part,)+) = self;
                $($part.encode(out);)+
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode(bytes)?,)+))
            }
        }
    };
}
tuple_key!(A);
tuple_key!(A, B);
tuple_key!(A, B, C);
tuple_key!(A, B, C, D);
tuple_key!(A, B, C, D, E);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_and_round_trip(a in (".{0,8}", any::<u64>(), "[\0-\u{2}]{0,3}"), b in (".{0,8}", any::<u64>(), "[\0-\u{2}]{0,3}")) {
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            let bytes = a.to_bytes();
            let mut rest = bytes.as_slice();
            prop_assert_eq!(<(String, u64, String)>::decode(&mut rest), Some(a.clone()));
            prop_assert!(rest.is_empty());
            prop_assert!(bytes.starts_with(&(a.0,).to_bytes()));
        }
    }
}

//! Zip archives, by the layout of PKWARE's APPNOTE: one deflated entry is written; what is read may have any number,
//! but must be below 4 GiB.

use std::io::Write;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::FormatError;
use crate::compression::{Bounded, wrong};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const VERSION: u16 = 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// A comment of at most so many bytes stands behind the archive's end.
const COMMENT_BYTES_MAX: usize = u16::MAX as usize;
/// The flag of an encrypted entry.
const ENCRYPTED: u16 = 1;
/// 1980-01-01, the format's first day: the archive is the same at every attempt to write it.
const DATE: u16 = 0x0021;

/// `data` as the archive's only entry. Both sizes must be below 4 GiB.
pub(crate) fn one_entry(name: &str, data: &[u8]) -> Result<Vec<u8>, FormatError> {
    let encode = |error: std::io::Error| FormatError::Encode(error.to_string());
    let raw_length = u32::try_from(data.len()).map_err(|_| FormatError::Encode("an entry of 4 GiB or more".into()))?;
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(data.len() / 4), flate2::Compression::default());
    encoder.write_all(data).map_err(encode)?;
    let packed = encoder.finish().map_err(encode)?;
    let mut crc = Crc::new();
    crc.update(data);

    // What the entry's two headers have in common.
    let mut common = Vec::with_capacity(26);
    for half in [VERSION, 0, DEFLATED, 0, DATE] {
        common.extend_from_slice(&half.to_le_bytes());
    }
    for word in [crc.sum(), packed.len() as u32, raw_length] {
        common.extend_from_slice(&word.to_le_bytes());
    }
    common.extend_from_slice(&(name.len() as u16).to_le_bytes());
    common.extend_from_slice(&0_u16.to_le_bytes());

    let mut out = Vec::with_capacity(packed.len() + 160 + 2 * name.len());
    out.extend_from_slice(&LOCAL.to_le_bytes());
    out.extend_from_slice(&common);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&packed);
    let directory_at = out.len() as u32;
    out.extend_from_slice(&CENTRAL.to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&common);
    // Comment length, disk, internal attributes, external attributes and the local header's place.
    out.extend_from_slice(&[0; 14]);
    out.extend_from_slice(name.as_bytes());
    let directory_length = out.len() as u32 - directory_at;
    out.extend_from_slice(&END.to_le_bytes());
    for half in [0_u16, 0, 1, 1] {
        out.extend_from_slice(&half.to_le_bytes());
    }
    out.extend_from_slice(&directory_length.to_le_bytes());
    out.extend_from_slice(&directory_at.to_le_bytes());
    out.extend_from_slice(&0_u16.to_le_bytes());
    Ok(out)
}

/// Whether it begins as an archive does, with an entry or, without any, with its end.
pub(crate) fn is_archive(data: &[u8]) -> bool {
    word(data, 0).is_some_and(|magic| magic == LOCAL || magic == END)
}

/// The contents of all entries that are files, in the order of the directory.
pub(crate) fn read_entries(data: &[u8], out: &mut Bounded) -> Result<(), FormatError> {
    let broken = |why: &str| wrong("a zip archive", &why);
    let end = find_end(data).ok_or_else(|| broken("it does not end as one"))?;
    let entries = half(data, end + 10).ok_or_else(|| broken("its end is cut off"))?;
    let mut at = word(data, end + 16).ok_or_else(|| broken("its end is cut off"))? as usize;
    if entries == u16::MAX || at == u32::MAX as usize {
        return Err(broken("it is in the format for more than 4 GiB (zip64)"));
    }
    for _ in 0..entries {
        let entry = Entry::read(data, at).ok_or_else(|| broken("its directory is cut off"))?;
        at = entry.next;
        if entry.is_directory {
            continue;
        }
        if entry.flags & ENCRYPTED != 0 {
            return Err(broken("an entry is encrypted"));
        }
        let packed = entry.packed(data).ok_or_else(|| broken("an entry is cut off"))?;
        let begin = out.room(0)?.len();
        match entry.method {
            STORED => out.extend(packed)?,
            DEFLATED => out.read(DeflateDecoder::new(packed), "a deflated entry")?,
            other => return Err(broken(&format!("an entry is compressed by method {other}"))),
        }
        let mut crc = Crc::new();
        crc.update(&out.room(0)?[begin..]);
        if crc.sum() != entry.crc {
            return Err(broken("an entry's checksum is another"));
        }
    }
    Ok(())
}

/// An entry of the directory.
struct Entry {
    flags: u16,
    method: u16,
    crc: u32,
    packed_bytes: usize,
    local_at: usize,
    is_directory: bool,
    next: usize,
}

impl Entry {
    fn read(data: &[u8], at: usize) -> Option<Self> {
        if word(data, at)? != CENTRAL {
            return None;
        }
        let name_bytes = usize::from(half(data, at + 28)?);
        let name = data.get(at + CENTRAL_BYTES..)?.get(..name_bytes)?;
        let behind = usize::from(half(data, at + 30)?) + usize::from(half(data, at + 32)?);
        Some(Self {
            flags: half(data, at + 8)?,
            method: half(data, at + 10)?,
            crc: word(data, at + 16)?,
            packed_bytes: word(data, at + 20)? as usize,
            local_at: word(data, at + 42)? as usize,
            is_directory: name.ends_with(b"/"),
            next: at + CENTRAL_BYTES + name_bytes + behind,
        })
    }

    /// The entry's bytes, which stand behind a header of their own.
    fn packed<'d>(&self, data: &'d [u8]) -> Option<&'d [u8]> {
        if word(data, self.local_at)? != LOCAL {
            return None;
        }
        let name_bytes = usize::from(half(data, self.local_at + 26)?);
        let extra_bytes = usize::from(half(data, self.local_at + 28)?);
        data.get(self.local_at + LOCAL_BYTES + name_bytes + extra_bytes..)?
            .get(..self.packed_bytes)
    }
}

/// Where the record of the archive's end begins: before a comment that reaches to the end of the data.
fn find_end(data: &[u8]) -> Option<usize> {
    let last = data.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(COMMENT_BYTES_MAX);
    (first..=last)
        .rev()
        .find(|at| word(data, *at) == Some(END) && half(data, at + 20).map(usize::from) == Some(last - at))
}

fn half(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*data.get(at..)?.first_chunk()?))
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Python's zipfile is the reader that did not write it.
    #[test]
    fn another_reader_opens_it() {
        let data = b"line\n".repeat(1_000);
        let archive = one_entry("entry-name", &data).expect("packs");
        let path = std::env::temp_dir().join(format!("catchment-zip-{}.zip", std::process::id()));
        std::fs::write(&path, archive).expect("writes");
        let script = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                      print(z.namelist(), len(z.read('entry-name')))";
        let output = Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .output()
            .expect("python3 runs");
        std::fs::remove_file(&path).expect("removes");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "['entry-name'] 5000",
            "{output:?}"
        );
    }
}

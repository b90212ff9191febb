//! A zip archive with one deflated entry, by the layout of PKWARE's APPNOTE.

use std::io::Write;

use flate2::Crc;
use flate2::write::DeflateEncoder;

use crate::FormatError;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const VERSION: u16 = 20;
const DEFLATED: u16 = 8;
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

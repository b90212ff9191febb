//! What an ORC file says of itself at its end, looked at before the reader of the crate orc-rust does: that follows types
//! into each other without end, and sets aside as much memory for a block as the file asks for. Either ends the process.
//!
//! Source: ORC Specification v1, "File Tail" and "Compression".

use crate::FormatError;
use crate::compression::Bounded;
use crate::files::{FileFormat, damaged, guarded};
use crate::protobuf::{Field, Fields, Malformed, take_varint};
use crate::snappy::read_raw;

/// So much of a file's end the reader looks at first.
pub(crate) const TAIL_BYTES: u64 = 16 << 10;
/// A chunk's length has 23 bits.
const BLOCK_BYTES_MAX: u64 = 1 << 23;
/// If the file does not say.
const BLOCK_BYTES: u64 = 256 << 10;
const FOOTER_BYTES_MAX: usize = 64 << 20;
const DEPTH_MAX: usize = 100;

/// The last bytes but one.
struct PostScript {
    bytes: usize,
    footer_bytes: usize,
    codec: u64,
    block_bytes: u64,
}

impl PostScript {
    fn read(tail: &[u8]) -> Result<Self, FormatError> {
        let (length, rest) = tail.split_last().ok_or_else(|| wrong("it is empty"))?;
        let bytes = usize::from(*length);
        let at = rest.len().checked_sub(bytes).ok_or_else(|| wrong("it is too short"))?;
        let mut postscript = Self {
            bytes,
            footer_bytes: 0,
            codec: 0,
            block_bytes: BLOCK_BYTES,
        };
        for field in Fields::of(&rest[at..]) {
            match field.map_err(malformed)? {
                (1, Field::Varint(bytes)) => {
                    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= FOOTER_BYTES_MAX);
                    postscript.footer_bytes = bytes.ok_or(FormatError::TooLarge(FOOTER_BYTES_MAX))?;
                }
                (2, Field::Varint(codec)) => postscript.codec = codec,
                (3, Field::Varint(bytes)) => postscript.block_bytes = bytes,
                _ => {}
            }
        }
        if postscript.block_bytes > BLOCK_BYTES_MAX {
            return Err(wrong("its blocks are larger than blocks can be"));
        }
        Ok(postscript)
    }
}

/// How many bytes at the file's end [`check`] wants to see.
pub(crate) fn bytes_wanted(tail: &[u8]) -> Result<u64, FormatError> {
    let postscript = PostScript::read(tail)?;
    Ok((1 + postscript.bytes + postscript.footer_bytes) as u64)
}

/// Refuses a file whose types are no tree, or a deep one.
pub(crate) fn check(tail: &[u8]) -> Result<(), FormatError> {
    let postscript = PostScript::read(tail)?;
    let end = tail.len() - 1 - postscript.bytes;
    let begin = end
        .checked_sub(postscript.footer_bytes)
        .ok_or_else(|| wrong("it is too short"))?;
    let footer = guarded(FileFormat::Orc, || unpacked(&tail[begin..end], &postscript))?;
    let mut types = Vec::new();
    for field in Fields::of(&footer) {
        if let (4, Field::Bytes(data_type)) = field.map_err(malformed)? {
            types.push(within(data_type)?);
        }
    }
    // Each type stands behind the one that it is within, which is one only.
    let mut depths = vec![None; types.len()];
    if let Some(root) = depths.first_mut() {
        *root = Some(0);
    }
    for (number, within) in types.iter().enumerate() {
        // What nothing leads to is not followed.
        let Some(depth) = depths[number] else { continue };
        if depth == DEPTH_MAX && !within.is_empty() {
            return Err(wrong(&format!("its types nest deeper than {DEPTH_MAX}")));
        }
        for part in within {
            match usize::try_from(*part)
                .ok()
                .filter(|part| *part > number)
                .and_then(|part| depths.get_mut(part))
            {
                Some(unseen @ None) => *unseen = Some(depth + 1),
                _ => return Err(wrong("its types are no tree")),
            }
        }
    }
    Ok(())
}

/// The numbers of the types within a type.
fn within(data_type: &[u8]) -> Result<Vec<u64>, FormatError> {
    let mut numbers = Vec::new();
    for field in Fields::of(data_type) {
        match field.map_err(malformed)? {
            (2, Field::Varint(number)) => numbers.push(number),
            (2, Field::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    numbers.push(take_varint(&mut packed).ok_or_else(|| malformed(Malformed))?);
                }
            }
            _ => {}
        }
    }
    Ok(numbers)
}

/// Chunks behind their lengths of three bytes, whose lowest bit says that a chunk is as it was.
fn unpacked(mut packed: &[u8], postscript: &PostScript) -> Result<Vec<u8>, FormatError> {
    let mut out = Bounded::new(FOOTER_BYTES_MAX);
    if postscript.codec == 0 {
        out.extend(packed)?;
        return Ok(out.into_bytes());
    }
    while !packed.is_empty() {
        let cut_off = || wrong("its footer is cut off");
        let ([low, middle, high], rest) = packed.split_first_chunk::<3>().ok_or_else(cut_off)?;
        let head = u32::from_le_bytes([*low, *middle, *high, 0]);
        let (chunk, rest) = rest.split_at_checked(head as usize >> 1).ok_or_else(cut_off)?;
        packed = rest;
        let largest = postscript.block_bytes as usize;
        match postscript.codec {
            _ if head & 1 == 1 => out.extend(chunk)?,
            1 => out.read(flate2::bufread::DeflateDecoder::new(chunk), "deflate")?,
            2 => read_raw(chunk, &mut out)?,
            3 => out.extend(
                &lzokay_native::decompress_all(chunk, Some(largest)).map_err(|error| wrong(&error.to_string()))?,
            )?,
            4 => {
                out.extend(&lz4_flex::block::decompress(chunk, largest).map_err(|error| wrong(&error.to_string()))?)?
            }
            5 => {
                let decoder = zstd::stream::read::Decoder::with_buffer(chunk);
                out.read(decoder.map_err(|error| wrong(&error.to_string()))?, "zstd")?;
            }
            _ => return Err(wrong("its compression is not known")),
        }
    }
    Ok(out.into_bytes())
}

fn wrong(why: &str) -> FormatError {
    damaged(FileFormat::Orc, &why)
}

fn malformed(error: Malformed) -> FormatError {
    damaged(FileFormat::Orc, &error)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::protobuf::Message;
    use crate::read_file;

    /// A file without rows, whose types are structures (or lists, with one type within) of these.
    fn file(types: &[Vec<u64>], block_bytes: u64) -> Vec<u8> {
        let mut footer = Message::default();
        for within in types {
            let mut data_type = Message::default();
            data_type.uint(1, if within.is_empty() { 3 } else { 12 });
            data_type.packed(2, within);
            within
                .iter()
                .for_each(|part| data_type.bytes(3, format!("c{part}").as_bytes()));
            footer.message(4, &data_type);
        }
        let mut postscript = Message::default();
        postscript.uint(1, footer.as_bytes().len() as u64);
        postscript.uint(2, 0);
        postscript.uint(3, block_bytes);
        postscript.uint(5, 0);
        postscript.bytes(8000, b"ORC");
        let mut file = b"ORC".to_vec();
        file.extend_from_slice(footer.as_bytes());
        file.extend_from_slice(postscript.as_bytes());
        file.push(postscript.as_bytes().len() as u8);
        file
    }

    fn opened(types: &[Vec<u64>], block_bytes: u64) -> bool {
        read_file(Bytes::from(file(types, block_bytes)), crate::FileFormat::Orc).is_ok()
    }

    #[test]
    fn types_that_are_no_tree_are_refused() {
        assert!(opened(&[vec![1, 2], vec![], vec![3], vec![]], 1 << 18));
        let chain = |length: u64| -> Vec<Vec<u64>> { (1..length).map(|next| vec![next]).chain([vec![]]).collect() };
        assert!(opened(&chain(100), 1 << 18));
        // Each of two of the next, so that there would be more than can be held.
        let doubled: Vec<Vec<u64>> = (1..60).map(|next| vec![next, next]).chain([vec![]]).collect();
        for types in [
            vec![vec![0]],
            vec![vec![1], vec![0]],
            vec![vec![2], vec![], vec![1]],
            vec![vec![9]],
            doubled,
            chain(9_000),
        ] {
            assert!(!opened(&types, 1 << 18), "{:?}", &types[..1]);
        }
        assert!(!opened(&[vec![1], vec![]], 1 << 40));
    }
}

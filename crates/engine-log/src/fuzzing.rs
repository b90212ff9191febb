//! What fuzzing asks of frames and of whole directories. `fuzz/` calls these with bytes that a fuzzer makes, our own
//! tests with random ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use base::{ManualClock, Tasks};
use bytes::Bytes;
use store_objects::Remote;

use crate::frame::{HEADER_BYTES, Header, KIND_ENDS, KIND_RECORDS, MAGIC, u32_at};
use crate::partition::Partition;
use crate::{Batch, Durability, Log, LogError, LogOptions, Record, batch};

const EPOCH_MS: i64 = 1_700_000_000_000;
const FILE_BYTES: u64 = 16 << 10;
const PARTITIONS: u64 = 3;
/// The records of partition 0 move to the tier, in this group.
const GROUP: u64 = 7;
/// Where in the log's directory the tier's objects are.
const OBJECTS: &str = "objects";

/// A frame's header, the record batch behind it, and a batch made of the bytes, which must come out as it went in.
///
/// # Panics
/// Where that does not hold.
pub fn frames(data: &[u8]) {
    if data.len() >= HEADER_BYTES {
        // As it is, and as it would be if it were meant.
        read_frame(data);
        let mut sealed = data.to_vec();
        let payload_bytes = sealed.len() - HEADER_BYTES;
        sealed[..4].copy_from_slice(&MAGIC);
        sealed[8..12].copy_from_slice(&(payload_bytes as u32).to_le_bytes());
        sealed[52] = if sealed[52].is_multiple_of(2) {
            KIND_RECORDS
        } else {
            KIND_ENDS
        };
        seal_batch(&mut sealed[HEADER_BYTES..]);
        seal_frame(&mut sealed);
        read_frame(&sealed);
    }
    round_trip(data);
}

fn read_frame(data: &[u8]) {
    let (file, at) = (u32_at(data, 40), u32_at(data, 44));
    assert_eq!(
        Header::read(data, file, at.wrapping_add(8)),
        None,
        "a frame belongs to one place"
    );
    let Some(header) = Header::read(data, file, at) else {
        return;
    };
    let frame_bytes = HEADER_BYTES.saturating_add(header.payload_bytes as usize);
    let mut again = data[..frame_bytes.min(data.len())].to_vec();
    header.write(&mut again);
    assert_eq!(Header::read(&again, file, at), Some(header));
    let Some(payload) = data[HEADER_BYTES..].get(..header.payload_bytes as usize) else {
        return;
    };
    if header.kind == KIND_RECORDS && header.payload_is_sound(payload) {
        let payload = Bytes::copy_from_slice(payload);
        // What its form says is the batch's own affair; it may only not make the reader fail.
        let _ = batch::visit(&payload, header.base_offset, header.arrival_ms, None, &mut |record| {
            assert!(record.offset >= header.base_offset);
            true
        });
    }
}

fn seal_batch(payload: &mut [u8]) {
    if payload.len() >= 61 {
        let length = payload.len() as u32 - 12;
        payload[8..12].copy_from_slice(&length.to_be_bytes());
        payload[16] = 2;
        let crc = crc32c::crc32c(&payload[batch::UNCHECKED_BYTES..]);
        payload[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Gives a frame the checksum that belongs to what it says.
fn seal_frame(frame: &mut [u8]) {
    let payload = frame.len() - HEADER_BYTES;
    let checked = if frame[52] == KIND_RECORDS {
        payload.min(batch::UNCHECKED_BYTES)
    } else {
        payload
    };
    let crc = crc32c::crc32c(&frame[8..HEADER_BYTES + checked]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Each record: a byte for the key's length, one for the data's, and the two.
fn round_trip(data: &[u8]) {
    let mut batch = Batch::new(&Partition::new(1), EPOCH_MS, 0);
    let mut meant = Vec::new();
    let mut rest = data;
    while let [key_bytes, data_bytes, behind @ ..] = rest {
        let (key, behind) = behind.split_at(usize::from(*key_bytes).min(behind.len()));
        let (value, behind) = behind.split_at(usize::from(*data_bytes).min(behind.len()));
        batch.push(key, value.first().map(|_| key), value);
        meant.push((key, value));
        rest = behind;
    }
    if batch.is_empty() {
        return;
    }
    batch.seal();
    batch.set_base_offset(7);
    let payload = Bytes::copy_from_slice(&batch.frame[HEADER_BYTES..HEADER_BYTES + batch.payload_bytes()]);
    assert!(batch::is_sound(&payload));
    let mut found = Vec::new();
    let read = batch::visit(&payload, 7, EPOCH_MS, None, &mut |record| {
        found.push(record);
        true
    });
    assert_eq!((read, found.len()), (Ok(()), meant.len()));
    for (index, (record, (key, value))) in found.iter().zip(meant).enumerate() {
        assert_eq!(record.offset, 7 + index as u64);
        assert_eq!((&record.key[..], &record.data[..]), (key, value));
    }
}

/// A directory of a log whose files were changed: its first byte says how, the others are changes. It is opened,
/// read, appended to, opened again and read: nothing may panic, no record be another than was appended, and what
/// is appended must stay. Everything in `directory` is lost.
///
/// # Panics
/// Where that does not hold.
pub fn segments(directory: &Path, data: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    }
    let Some((way, changes)) = data.split_first() else {
        return;
    };
    drop(std::fs::remove_dir_all(directory));
    std::fs::create_dir_all(directory.join(OBJECTS)).expect("makes");
    for (name, bytes) in &sound().objects {
        std::fs::write(directory.join(OBJECTS).join(name), bytes).expect("writes");
    }
    let mut files = sound().files.clone();
    match way % 4 {
        // Some files are nothing but what the fuzzer made up.
        0 => {
            let (log, indexes) = changes.split_at(changes.len() / 2);
            files.insert("0000000002.log".into(), log.to_vec());
            files.insert("0000000002.idx".into(), indexes.to_vec());
            files.insert(format!("0000000001-{GROUP}.tier"), indexes.to_vec());
        }
        _ => changes.chunks_exact(8).for_each(|c| change(&mut files, c)),
    }
    // With checksums that fit, nonsense gets to where only sound files get otherwise; then the records may be any.
    let is_forged = way % 4 == 3;
    if is_forged {
        files.iter_mut().for_each(|(name, bytes)| forge(name, bytes));
    }
    for (name, bytes) in files {
        std::fs::write(directory.join(name), bytes).expect("writes");
    }
    RUNTIME.with(|runtime| runtime.block_on(use_directory(directory, is_forged)));
}

/// A log as it leaves its directory, by the files' names, and its tier.
struct Sound {
    files: BTreeMap<String, Vec<u8>>,
    objects: BTreeMap<String, Vec<u8>>,
}

/// Three partitions over some files, the last of them without a sidecar, and one of them in the tier.
fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("catchment-fuzz-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&directory));
        std::fs::create_dir_all(directory.join(OBJECTS)).expect("makes");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(fill(&directory));
        let mut files = files_in(&directory);
        let objects = files_in(&directory.join(OBJECTS));
        drop(std::fs::remove_dir_all(&directory));
        files.retain(|_, bytes| !bytes.is_empty());
        let last = files.keys().rfind(|name| name.ends_with(".log")).cloned();
        files.remove(&last.unwrap_or_default().replace(".log", ".idx"));
        Sound { files, objects }
    })
}

async fn fill(directory: &Path) {
    let (clock, tasks) = (ManualClock::at(EPOCH_MS), Tasks::new());
    let log = open(directory, &clock, &tasks).expect("opens");
    log.partition(0).set_tiering(GROUP, Some(Duration::ZERO));
    for number in 0..24 {
        let made = (0..PARTITIONS).map(|id| {
            let mut batch = Batch::new(&log.partition(id), EPOCH_MS, 0);
            for part in 0..2 {
                batch.push(b"key", None, &value(id, number * 2 + part));
            }
            batch
        });
        log.append(made.collect()).await.expect("appends");
    }
    while log.partition(0).status().tiered_bytes == 0 {
        clock.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
    }
    tasks.shutdown().await;
    log.close().await;
}

fn files_in(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).expect("lists");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.is_file()).map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, std::fs::read(&path).expect("reads"))
    });
    files.collect()
}

/// What stands at an offset of a sound log.
fn value(partition: u64, offset: u64) -> Vec<u8> {
    let size = 20 + (offset as usize * 37 + partition as usize * 11) % 400;
    vec![(offset * PARTITIONS + partition) as u8; size]
}

/// One change: which file, how, where (four bytes), and two bytes to do it with.
fn change(files: &mut BTreeMap<String, Vec<u8>>, change: &[u8]) {
    let [which, way, at @ .., low, high] = change else {
        return;
    };
    let Some(name) = files.keys().nth(usize::from(*which) % files.len().max(1)).cloned() else {
        return;
    };
    let Some(bytes) = files.get_mut(&name) else { return };
    let at = u32_at(at, 0) as usize % (bytes.len() + 1);
    let amount = usize::from(u16::from_le_bytes([*low, *high]));
    match way % 8 {
        0 => bytes.truncate(at),
        1 => drop(files.remove(&name)),
        2 => bytes.resize((bytes.len() + amount).min(FILE_BYTES as usize * 2), 0),
        // A piece of the file stands in another place.
        3 => {
            let from = amount.min(bytes.len());
            let count = (bytes.len() - from.max(at)).min(512);
            bytes.copy_within(from..from + count, at);
        }
        4 => bytes.iter_mut().skip(at).take(amount).for_each(|byte| *byte = 0),
        5 => {
            let renamed = format!("{:010}{}", amount, if name.ends_with("idx") { ".idx" } else { ".log" });
            if let Some(bytes) = files.remove(&name) {
                files.insert(renamed, bytes);
            }
        }
        6 => bytes
            .iter_mut()
            .skip(at)
            .take(2)
            .zip([*low, *high])
            .for_each(|(byte, new)| *byte = new),
        _ => bytes
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|byte| *byte ^= 1 << (low % 8)),
    }
}

fn forge(name: &str, bytes: &mut [u8]) {
    if !name.ends_with(".log") {
        if bytes.len() >= 40 {
            let body = 64 * u32_at(bytes, 16) as usize + 8 * u32_at(bytes, 20) as usize;
            let crc = crc32c::crc32c(&bytes[..36]);
            let end = 40usize.saturating_add(body).min(bytes.len());
            let crc = crc32c::crc32c_append(crc, &bytes[40..end]);
            bytes[36..40].copy_from_slice(&crc.to_le_bytes());
        }
        return;
    }
    if bytes.len() >= 64 {
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    }
    for at in (64..bytes.len().saturating_sub(HEADER_BYTES)).step_by(8) {
        if bytes[at..at + 4] == MAGIC {
            let end = (at + HEADER_BYTES).saturating_add(u32_at(bytes, at + 8) as usize);
            if end <= bytes.len() {
                seal_batch(&mut bytes[at + HEADER_BYTES..end]);
                seal_frame(&mut bytes[at..end]);
            }
        }
    }
}

fn open(directory: &Path, clock: &ManualClock, tasks: &Tasks) -> Result<Log, LogError> {
    let objects = format!("file://{}", directory.join(OBJECTS).display());
    Log::open(LogOptions {
        file_bytes: FILE_BYTES,
        durability: Durability::Os,
        tier: Some(Remote::open(&objects, []).expect("a directory")),
        ..LogOptions::new(directory, clock.clock(), tasks.clone())
    })
}

async fn use_directory(directory: &Path, is_forged: bool) {
    let mut appended = Vec::new();
    for round in 0..2 {
        let (clock, tasks) = (ManualClock::at(EPOCH_MS), Tasks::new());
        let log = match open(directory, &clock, &tasks) {
            Ok(log) => log,
            Err(LogError::Version { .. }) if round == 0 => return,
            Err(error) => panic!("round {round}: {error}"),
        };
        let mut ids = log.status().partitions.iter().map(|p| p.partition).collect::<Vec<_>>();
        ids.extend(0..PARTITIONS);
        for id in ids.into_iter().take(64) {
            let records = all(&log, &log.partition(id)).await;
            for record in &records {
                let is_own = appended.iter().any(|(partition, offset, value)| {
                    (*partition, *offset) == (id, record.offset) && record.data == *value
                });
                let is_sound = id < PARTITIONS && record.offset < 48 && record.data == value(id, record.offset);
                assert!(
                    is_forged || is_own || is_sound,
                    "{id}/{} is another record",
                    record.offset
                );
            }
            for (_, offset, value) in appended.iter().filter(|(partition, ..)| *partition == id) {
                let found = records.iter().find(|record| record.offset == *offset);
                // An index that lies, and whose checksum vouches for it, may hide what stands behind.
                assert!(
                    is_forged || found.is_some_and(|record| record.data == *value),
                    "{id}/{offset} is lost"
                );
            }
            let value = format!("{round} of {id}").into_bytes();
            let mut batch = Batch::new(&log.partition(id), EPOCH_MS, 0);
            batch.push(b"key", None, &value);
            let done = log.append(vec![batch]).await.expect("appends");
            appended.push((id, done[0].base_offset, value));
        }
        tasks.shutdown().await;
        log.close().await;
    }
}

async fn all(log: &Log, partition: &Partition) -> Vec<Record> {
    let mut found = Vec::new();
    let mut from = 0;
    // Offsets may have gaps as wide as they like, but each read goes on.
    for _ in 0..10_000 {
        let read = log.read(partition, from, 4_000, 20).await.expect("reads");
        assert!(
            read.next_offset > from || read.records.is_empty(),
            "a read stays where it is"
        );
        let is_at_end = read.next_offset >= read.end_offset;
        from = read.next_offset;
        found.extend(read.records);
        if is_at_end {
            return found;
        }
    }
    panic!("reading partition {} does not end", partition.id());
}

/// Frames to start from.
#[must_use]
pub fn frame_seeds() -> Vec<Vec<u8>> {
    let log = sound().files.iter().find(|(name, _)| name.ends_with(".log"));
    let frame = log.map(|(_, bytes)| bytes[64..].to_vec()).unwrap_or_default();
    let records = frame
        .windows(HEADER_BYTES)
        .position(|window| window[..4] == MAGIC && window[52] == KIND_RECORDS);
    let records = records.map(|at| {
        let end = at + HEADER_BYTES + u32_at(&frame, at + 8) as usize;
        frame[at..end].to_vec()
    });
    let ends = frame[..HEADER_BYTES + u32_at(&frame, 8) as usize].to_vec();
    vec![
        records.unwrap_or_default(),
        ends,
        vec![1, 2, b'k', b'v', b'w', 0, 0, 3, 0, b'k'],
    ]
}

/// Changes to start from: none, one of each kind, and forged ones.
#[must_use]
pub fn segment_seeds() -> Vec<Vec<u8>> {
    let one = |way: u8, kind: u8, file: u8| vec![way, file, kind, 200, 3, 0, 0, 7, 1];
    let mut seeds = vec![vec![1], [&[0][..], &[0; 64]].concat()];
    for kind in 0..8 {
        seeds.extend([one(1, kind, 0), one(1, kind, 1), one(3, kind, 2), one(3, kind, 3)]);
    }
    seeds
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sound_files_are_several_and_read_whole() {
        assert!(
            sound().files.keys().filter(|name| name.ends_with(".log")).count() >= 2,
            "{:?}",
            sound().files.keys()
        );
        let indexes = sound().files.keys().filter(|name| name.ends_with(".tier")).count();
        // A move that was under way at the end may have its object and no index yet.
        let objects = sound().objects.len();
        assert!(
            (1..=objects).contains(&indexes),
            "{indexes} indexes of {objects} objects"
        );
        frame_seeds().iter().for_each(|seed| frames(seed));
        let dir = tempfile::tempdir().expect("a directory");
        segment_seeds().iter().for_each(|seed| segments(dir.path(), seed));
    }

    fn changes() -> impl Strategy<Value = Vec<u8>> {
        let change = (0..6u8, 0..8u8, 0..20_000u32, any::<u16>())
            .prop_map(|(which, way, at, with)| [&[which, way][..], &at.to_le_bytes(), &with.to_le_bytes()].concat());
        (0..4u8, vec(change, 0..4)).prop_map(|(way, changes)| [vec![way], changes.concat()].concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_frames_or_passed_over(data in vec(any::<u8>(), 0..300)) {
            frames(&data);
        }

        #[test]
        fn any_directory_opens_and_takes_records(data in changes()) {
            let dir = tempfile::tempdir().expect("a directory");
            segments(dir.path(), &data);
        }
    }
}

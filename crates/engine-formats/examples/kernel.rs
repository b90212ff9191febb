//! JSON to Parquet on one thread, with its time on the processor: what `cargo xtask bench delivery` measures beside
//! other programs.
//!
//! `kernel generate FILE MEGABYTES` writes events; `kernel columns` prints their columns as lines of a name and a Hive
//! type; `kernel convert FROM TO ROUNDS` converts, and prints a line of JSON for each round.

#[path = "../benches/events/mod.rs"]
mod events;

use std::error::Error;
use std::fs::File;
use std::io::Read;

use engine_formats::{JsonDecoder, JsonOptions, ParquetFile, ParquetOptions, arrow_schema, without_views};
use rustix::time::{ClockId, clock_gettime};

/// The server's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is read at once, and becomes one batch of columns.
const PIECE_BYTES: usize = 2 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", file, megabytes] => std::fs::write(file, events::lines(megabytes.parse::<usize>()? * 1_000_000))?,
        ["columns"] => {
            for (name, hive) in events::COLUMNS {
                println!("{name} {hive}");
            }
        }
        ["convert", from, to, rounds] => {
            for _ in 0..rounds.parse()? {
                println!("{}", convert(from, to)?);
            }
        }
        _ => return Err("usage: kernel generate FILE MEGABYTES | columns | convert FROM TO ROUNDS".into()),
    }
    Ok(())
}

/// Seconds that this process has had of the processor.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn convert(from: &str, to: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let schema = without_views(&*arrow_schema(&events::columns())?);
    let began = cpu_seconds();
    let mut decoder = JsonDecoder::new(schema.clone(), JsonOptions::default());
    let mut file = ParquetFile::new(schema, ParquetOptions::default())?;
    let mut source = File::open(from)?;
    let mut buffer = vec![0; PIECE_BYTES];
    let (mut rows, mut held, mut decoding, mut encoding) = (0, 0, 0.0, 0.0);
    loop {
        let read = source.read(&mut buffer[held..])?;
        if read == 0 {
            break;
        }
        let filled = held + read;
        let whole = memchr::memrchr(b'\n', &buffer[..filled]).map_or(0, |end| end + 1);
        let decode_began = cpu_seconds();
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', &buffer[..whole]) {
            decoder.push(&buffer[begin..end])?;
            begin = end + 1;
        }
        let batch = decoder.finish()?;
        let encode_began = cpu_seconds();
        file.write(&batch)?;
        rows += batch.num_rows();
        decoding += encode_began - decode_began;
        encoding += cpu_seconds() - encode_began;
        buffer.copy_within(whole..filled, 0);
        held = filled - whole;
    }
    let finish_began = cpu_seconds();
    let parquet = file.finish()?;
    encoding += cpu_seconds() - finish_began;
    std::fs::write(to, &parquet)?;
    Ok(serde_json::json!({
        "rows": rows,
        "parquet_bytes": parquet.len(),
        "cpu_seconds": cpu_seconds() - began,
        "decode_cpu_seconds": decoding,
        "encode_cpu_seconds": encoding,
    }))
}

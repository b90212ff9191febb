//! JSON to Parquet.
#[path = "../benches/events/mod.rs"]
mod events;
use std::io::Read;
use engine_formats::*;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu() -> f64 { let t = clock_gettime(ClockId::ProcessCPUTime); t.tv_sec as f64 + t.tv_nsec as f64 / 1e9 }

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args[1].as_str() {
        "generate" => {
            std::fs::write(&args[2], events::lines(args[3].parse::<usize>().unwrap() << 20)).unwrap();
        }
        "columns" => {
            let input = std::fs::read(&args[2]).unwrap();
            let mb = input.len() as f64 / 1e6;
            let schema = without_views(&arrow_schema(&events::columns()).unwrap());
            let mut decoder = JsonDecoder::new(schema.clone(), JsonOptions::default());
            let mut batches = vec![];
            for line in input.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                decoder.push(line).unwrap();
                if decoder.rows() == 12000 { batches.push(decoder.finish().unwrap()); }
            }
            for column in 0..schema.fields().len() {
                let mut best = f64::MAX;
                let mut size = 0;
                for _ in 0..3 {
                    let a = cpu();
                    let mut file: Option<ParquetFile> = None;
                    for batch in &batches { let b = batch.project(&[column]).unwrap(); file.get_or_insert_with(|| ParquetFile::new(b.schema(), ParquetOptions::default())).write(&b).unwrap(); }
                    size = file.unwrap().finish().unwrap().len();
                    best = best.min(cpu() - a);
                }
                let rows: usize = batches.iter().map(|b| b.num_rows()).sum();
                println!("{:<12} {:>6.1} ns/row {:>6.1} ms {:>8.2} MB; of {:.0}", schema.field(column).name(), best * 1e9 / rows as f64, best * 1e3, size as f64 / 1e6, mb);
            }
        }
        _ => {
            let piece: usize = std::env::var("PIECE").map_or(4 << 20, |s| s.parse().unwrap());
            let schema = arrow_schema(&events::columns()).unwrap();
            let schema = if std::env::var("VIEWS").is_ok() { schema } else { without_views(&schema) };
            let mut decoder = JsonDecoder::new(schema.clone(), JsonOptions::default());
            let mut input = vec![0; piece];
            for _ in 0..args[4].parse().unwrap() {
                let b0 = cpu();
                let mut source = std::fs::File::open(&args[2]).unwrap();
                let mb = source.metadata().unwrap().len() as f64 / 1e6;
                let (mut read, mut dec, mut fin, mut enc) = (0.0, 0.0, 0.0, 0.0);
                let mut file = ParquetFile::new(schema.clone(), ParquetOptions::default());
                let mut rows = 0;
                let mut held = 0;
                loop {
                    let z = cpu();
                    let got = source.read(&mut input[held..]).unwrap();
                    if got == 0 { break }
                    let a = cpu();
                    let filled = &input[..held + got];
                    let end = memchr::memrchr(b'\n', filled).unwrap() + 1;
                    let mut from = 0;
                    for to in memchr::memchr_iter(b'\n', &filled[..end]) { decoder.push(&filled[from..to]).unwrap(); from = to + 1; }
                    let b = cpu();
                    let batch = decoder.finish().unwrap();
                    rows += batch.num_rows();
                    let c = cpu();
                    file.write(&batch).unwrap();
                    let d = cpu();
                    let all = held + got;
                    input.copy_within(end..all, 0);
                    held = all - end;
                    read += a - z; dec += b - a; fin += c - b; enc += d - c;
                }
                let a = cpu();
                let out = file.finish().unwrap();
                let closed = cpu() - a;
                std::fs::write(&args[3], &out).unwrap();
                let total = cpu() - b0;
                println!("{} records {:.1} B/record; read {:.0} decode {:.0} finish {:.0} encode {:.0} close {:.0} MB/s; total {:.0} MB/s; out {:.1} MB",
                    rows, mb * 1e6 / rows as f64, mb/read, mb/dec, mb/fin, mb/enc, mb/closed, mb/total, out.len() as f64 / 1e6);
            }
        }
    }
}

//! JSON to Parquet.
#[path = "../benches/events/mod.rs"]
mod events;
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
        _ => {
            let piece: usize = std::env::var("PIECE").map_or(4 << 20, |s| s.parse().unwrap());
            let schema = arrow_schema(&events::columns()).unwrap();
            let mut decoder = JsonDecoder::new(schema.clone(), JsonOptions::default());
            for _ in 0..args[4].parse().unwrap() {
                let b0 = cpu();
                let input = std::fs::read(&args[2]).unwrap();
                let read = cpu() - b0;
                let mb = input.len() as f64 / 1e6;
                let (mut dec, mut fin, mut enc) = (0.0, 0.0, 0.0);
                let mut file = ParquetFile::new(schema.clone(), ParquetOptions::default());
                let mut rows = 0;
                let mut rest = &input[..];
                while !rest.is_empty() {
                    let end = if rest.len() <= piece { rest.len() } else { piece + rest[piece..].iter().position(|b| *b == b'\n').unwrap() + 1 };
                    let (part, r) = rest.split_at(end);
                    rest = r;
                    let a = cpu();
                    for line in part.split(|b| *b == b'\n').filter(|l| !l.is_empty()) { decoder.push(line).unwrap(); }
                    let b = cpu();
                    let batch = decoder.finish().unwrap();
                    rows += batch.num_rows();
                    let c = cpu();
                    file.write(&batch).unwrap();
                    let d = cpu();
                    dec += b - a; fin += c - b; enc += d - c;
                }
                let a = cpu();
                let out = file.finish().unwrap();
                enc += cpu() - a;
                std::fs::write(&args[3], &out).unwrap();
                let total = cpu() - b0;
                println!("{} records {:.1} B/record; read {:.0} decode {:.0} finish {:.0} encode {:.0} MB/s; total {:.0} MB/s; out {:.1} MB",
                    rows, mb * 1e6 / rows as f64, mb/read, mb/dec, mb/fin, mb/enc, mb/total, out.len() as f64 / 1e6);
            }
        }
    }
}

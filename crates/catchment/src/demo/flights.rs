//! The flight tables as committed: compressed CSV.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

/// Where the tables are, seen from the checkout.
const HOME: &str = "examples/flights";
/// What R writes for a missing value.
const MISSING: &str = "NA";

/// Every column of the flights with the type it has in the lake, in the order of the file.
pub(super) const FLIGHT_COLUMNS: [(&str, &str); 19] = [
    ("year", "int"),
    ("month", "int"),
    ("day", "int"),
    ("dep_time", "int"),
    ("sched_dep_time", "int"),
    ("dep_delay", "int"),
    ("arr_time", "int"),
    ("sched_arr_time", "int"),
    ("arr_delay", "int"),
    ("carrier", "string"),
    ("flight", "int"),
    ("tailnum", "string"),
    ("origin", "string"),
    ("dest", "string"),
    ("air_time", "int"),
    ("distance", "int"),
    ("hour", "int"),
    ("minute", "int"),
    ("time_hour", "timestamp"),
];

/// The smaller tables that are queried as CSV, with their columns' types.
pub(super) const OTHER_TABLES: [(&str, &[(&str, &str)]); 4] = [
    ("airlines", &[("carrier", "string"), ("name", "string")]),
    (
        "airports",
        &[
            ("faa", "string"),
            ("name", "string"),
            ("lat", "double"),
            ("lon", "double"),
            ("alt", "int"),
            ("tz", "int"),
            ("dst", "string"),
            ("tzone", "string"),
        ],
    ),
    (
        "planes",
        &[
            ("tailnum", "string"),
            ("year", "string"),
            ("type", "string"),
            ("manufacturer", "string"),
            ("model", "string"),
            ("engines", "int"),
            ("seats", "int"),
            ("speed", "string"),
            ("engine", "string"),
        ],
    ),
    (
        "weather",
        &[
            ("origin", "string"),
            ("year", "int"),
            ("month", "int"),
            ("day", "int"),
            ("hour", "int"),
            ("temp", "string"),
            ("dewp", "string"),
            ("humid", "string"),
            ("wind_dir", "string"),
            ("wind_speed", "string"),
            ("wind_gust", "string"),
            ("precip", "double"),
            ("pressure", "string"),
            ("visib", "double"),
            ("time_hour", "string"),
        ],
    ),
];

/// The directory with the tables.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    home: PathBuf,
    pub flights_count: u64,
}

/// A flight on its way into a stream.
pub(super) struct Flight {
    pub partition_key: String,
    pub json: Vec<u8>,
}

impl Tables {
    /// The tables in `home`, or in the checkout that the binary was built from or is run in.
    pub(super) fn find(home: Option<&Path>) -> Result<Self> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(HOME);
        let candidates = match home {
            Some(home) => vec![home.to_owned()],
            None => vec![PathBuf::from(HOME), built_from],
        };
        let home = candidates.iter().find(|home| home.join("flights.csv.zst").exists());
        let home = home.cloned().with_context(|| {
            let tried: Vec<_> = candidates.iter().map(|home| home.display().to_string()).collect();
            format!(
                "no flights.csv.zst in {}; name its directory with --data",
                tried.join(" or ")
            )
        })?;
        let mut tables = Self { home, flights_count: 0 };
        tables.flights_count = tables.read("flights")?.iter().filter(|byte| **byte == b'\n').count() as u64;
        // The first line is the header; a last line may have no end.
        tables.flights_count = tables.flights_count.saturating_sub(1);
        Ok(tables)
    }

    /// A table's CSV text, header included.
    pub(super) fn read(&self, table: &str) -> Result<Vec<u8>> {
        let path = self.home.join(format!("{table}.csv.zst"));
        let file = File::open(&path).with_context(|| format!("could not open {}", path.display()))?;
        let mut text = Vec::new();
        zstd::Decoder::new(file)?
            .read_to_end(&mut text)
            .with_context(|| format!("could not read {}", path.display()))?;
        Ok(text)
    }

    /// Calls `each` with every flight in the file's order.
    pub(super) fn each_flight(&self, mut each: impl FnMut(Flight) -> Result<()>) -> Result<()> {
        let text = self.read("flights")?;
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let expected: Vec<&str> = FLIGHT_COLUMNS.iter().map(|(name, _)| *name).collect();
        ensure!(
            header == expected,
            "the flights have other columns than expected: {header:?}"
        );
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row)? {
            each(flight(&row)?)?;
        }
        Ok(())
    }
}

fn flight(row: &csv::StringRecord) -> Result<Flight> {
    let mut object = Map::new();
    for ((name, kind), text) in FLIGHT_COLUMNS.iter().zip(row) {
        let value = match *kind {
            _ if text == MISSING || text.is_empty() => Value::Null,
            "int" => Value::from(text.parse::<i64>().with_context(|| format!("{name} is {text:?}"))?),
            _ => Value::from(text),
        };
        object.insert((*name).to_owned(), value);
    }
    let key = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let partition_key = format!("{}{}", key("carrier"), object["flight"]);
    Ok(Flight {
        partition_key,
        json: serde_json::to_vec(&object)?,
    })
}

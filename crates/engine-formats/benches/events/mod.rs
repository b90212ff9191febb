//! Made-up events of a web shop: nested, some 300 bytes each, the same at every run.

use std::io::Write;

use engine_catalog::Column;

/// The columns, in Hive's types.
pub(crate) const COLUMNS: [(&str, &str); 10] = [
    ("id", "string"),
    ("time", "timestamp"),
    ("user_id", "bigint"),
    ("session", "struct<id:string,seq:int,app:boolean>"),
    ("action", "string"),
    ("page", "struct<path:string,referrer:string,load_ms:double>"),
    ("items", "array<struct<sku:string,qty:int,price:double>>"),
    ("tags", "array<string>"),
    ("country", "string"),
    ("total", "decimal(10,2)"),
];

pub(crate) fn columns() -> Vec<Column> {
    COLUMNS.iter().map(|(name, hive)| Column::new(*name, *hive)).collect()
}

/// Events of at least so many bytes together, one a line.
pub(crate) fn lines(bytes: usize) -> Vec<u8> {
    let mut random = Random(0x5DEE_CE66_D1CE_CAFE);
    let mut lines = Vec::with_capacity(bytes + 512);
    let mut millis = 1_772_323_200_000;
    while lines.len() < bytes {
        millis += random.below(40);
        event(&mut random, millis, &mut lines);
    }
    lines
}

const ACTIONS: [&str; 8] = [
    "view",
    "view",
    "view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "purchase",
];
const REFERRERS: [&str; 6] = ["direct", "search", "newsletter", "partner", "social", "ad"];
const COUNTRIES: [&str; 20] = [
    "US", "DE", "FR", "GB", "JP", "BR", "IN", "CA", "IT", "ES", "NL", "SE", "PL", "AU", "MX", "KR", "CH", "AT", "DK",
    "NO",
];
const TAGS: [&str; 6] = ["promo", "returning", "beta", "gift", "größe-m", "first-visit"];

fn event(random: &mut Random, millis: u64, out: &mut Vec<u8>) {
    let (id, id2) = (random.next(), random.next());
    let user = skewed(random, 5_000_000);
    let product = skewed(random, 20_000);
    let cents = 100 + random.below(50_000);
    let write = write!(
        out,
        concat!(
            r#"{{"id":"{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}","time":"{}","user_id":{},"#,
            r#""session":{{"id":"{:08x}","seq":{},"app":{}}},"action":"{}","#,
            r#""page":{{"path":"/p/{}","referrer":"{}","load_ms":{}.{}}},"items":["#,
        ),
        id >> 32,
        id >> 16 & 0xFFFF,
        id >> 4 & 0xFFF,
        id2 >> 52,
        id2 & 0xFFFF_FFFF_FFFF,
        Time(millis),
        user,
        user.wrapping_mul(0x9E37_79B9).wrapping_add(millis / 1_800_000) & 0xFFFF_FFFF,
        1 + skewed(random, 200),
        random.below(3) > 0,
        pick(random, &ACTIONS),
        product,
        pick(random, &REFERRERS),
        20 + skewed(random, 4_000),
        random.below(10),
    );
    write.expect("a vector takes everything");
    for item in 0..[0, 0, 0, 1, 1, 2][random.below(6) as usize] {
        let comma = if item > 0 { "," } else { "" };
        let (sku, qty, price) = (skewed(random, 20_000), 1 + skewed(random, 9), 99 + random.below(20_000));
        write!(
            out,
            r#"{comma}{{"sku":"{sku:05}","qty":{qty},"price":{}.{:02}}}"#,
            price / 100,
            price % 100
        )
        .expect("a vector takes everything");
    }
    out.extend_from_slice(br#"],"tags":["#);
    for tag in 0..[0, 0, 1, 2][random.below(4) as usize] {
        let comma = if tag > 0 { "," } else { "" };
        write!(out, r#"{comma}"{}""#, pick(random, &TAGS)).expect("a vector takes everything");
    }
    // One event in eight has no total.
    let total = match random.below(8) {
        0 => "null".to_owned(),
        _ => format!("{}.{:02}", cents / 100, cents % 100),
    };
    let country = pick(random, &COUNTRIES);
    writeln!(out, r#"],"country":"{country}","total":{total}}}"#).expect("a vector takes everything");
}

fn pick<'t>(random: &mut Random, texts: &[&'t str]) -> &'t str {
    texts[random.below(texts.len() as u64) as usize]
}

/// Small numbers more often than large ones, as users and products are.
fn skewed(random: &mut Random, bound: u64) -> u64 {
    let unit = random.below(1 << 20) as f64 / (1 << 20) as f64;
    (unit * unit * unit * bound as f64) as u64
}

/// SplitMix64 (Steele, Lea and Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Milliseconds since 1970, within March 2026.
struct Time(u64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.0 - 1_772_323_200_000;
        let (day, seconds) = (since / 86_400_000, since / 1000 % 86_400);
        write!(
            f,
            "2026-03-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            day + 1,
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            since % 1000
        )
    }
}

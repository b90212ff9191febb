//! How results are printed.

use std::time::Duration;

/// One line: a name, and a rate, times and a comparison where there are such.
#[derive(Default)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    /// Records a second and the bytes of each.
    pub(crate) rate: Option<(f64, usize)>,
    pub(crate) p50: Option<Duration>,
    pub(crate) p99: Option<Duration>,
    /// What is to be said about it, mostly how it compares.
    pub(crate) note: String,
}

pub(crate) fn heading() {
    println!(
        "\n{:<44} {:>10} {:>8} {:>8} {:>8}",
        "", "records/s", "MB/s", "p50 ms", "p99 ms"
    );
}

impl Line<'_> {
    pub(crate) fn print(&self) {
        let ms = |time: Option<Duration>| time.map(ms).unwrap_or_default();
        let (records, mb) = match self.rate {
            Some((records, bytes)) => (format!("{records:.0}"), format!("{:.1}", records * bytes as f64 / 1e6)),
            None => Default::default(),
        };
        let line = format!(
            "{:<44} {records:>10} {mb:>8} {:>8} {:>8}   {}",
            self.name,
            ms(self.p50),
            ms(self.p99),
            self.note
        );
        println!("{}", line.trim_end());
    }
}

pub(crate) fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

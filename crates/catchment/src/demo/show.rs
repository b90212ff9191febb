//! What the demo shows: numbered steps, progress and tables.

use std::cell::Cell;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, TableComponent, presets};
use indicatif::{ProgressBar, ProgressStyle};

const TICK: Duration = Duration::from_millis(100);

/// Numbers the steps.
#[derive(Default)]
pub(super) struct Steps {
    count: Cell<u32>,
}

/// A step under way.
pub(super) struct Progress {
    bar: ProgressBar,
    title: String,
    begun: Instant,
}

impl Steps {
    /// A step that takes as long as it takes.
    pub(super) fn begin(&self, title: &str) -> Progress {
        self.start(title, ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}")
    }

    /// A step over `total` records.
    pub(super) fn progress(&self, title: &str, total: u64) -> Progress {
        let template = "{spinner} {msg} {wide_bar} {human_pos}/{human_len} {per_sec} {elapsed}";
        self.start(title, ProgressBar::new(total), template)
    }

    fn start(&self, title: &str, bar: ProgressBar, template: &str) -> Progress {
        self.count.set(self.count.get() + 1);
        let title = format!("{}. {title}", self.count.get());
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(title.clone());
        bar.enable_steady_tick(TICK);
        Progress {
            bar,
            title,
            begun: Instant::now(),
        }
    }
}

impl Progress {
    pub(super) fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Leaves a line that says what came of it.
    pub(super) fn done(self, outcome: &str) {
        self.bar.finish_and_clear();
        println!(
            "{} ({:.1} s)\n   {outcome}",
            self.title,
            self.begun.elapsed().as_secs_f64()
        );
    }
}

/// Prints a result as a table; columns that hold only numbers stand to the right.
pub(super) fn table(header: &[String], rows: &[Vec<String>]) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    table.remove_style(TableComponent::HorizontalLines);
    table.remove_style(TableComponent::MiddleIntersections);
    rows.iter().for_each(|row| {
        table.add_row(row);
    });
    for (index, column) in table.column_iter_mut().enumerate() {
        let numeric = rows.iter().all(|row| {
            row.get(index)
                .is_none_or(|cell| cell.is_empty() || cell.parse::<f64>().is_ok())
        });
        if numeric {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.to_string().lines() {
        println!("   {line}");
    }
}

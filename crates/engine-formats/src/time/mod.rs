//! Dates and timestamps in the forms that tables' files have them in.

mod pattern;
mod text;

pub use pattern::{InvalidTimestampFormat, TimestampFormat};
pub(crate) use text::{
    date_of_text, micros_of_fixed_layout, micros_of_integer, micros_of_jdbc, micros_of_number, micros_of_text,
};

//! Why a record cannot be had, with the place and what was expected there.

use std::fmt;

use arrow::datatypes::DataType;

/// Kept small, since every step of reading returns one or nothing.
pub(crate) type Refused = Box<Fault>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No JSON.
    Syntax {
        expected: &'static str,
        /// Bytes into the text.
        at: usize,
        at_end: bool,
    },
    /// An escape that stands for half a character, in a string that is needed.
    LoneSurrogate,
    NotUtf8 {
        at: usize,
    },
    /// A batch has come to the 2 GiB or the 2^31 items that a column can hold.
    BatchTooLarge,
    /// JSON, but not of the column's type.
    Mismatch {
        /// The names from the value up to the column.
        path: Vec<Step>,
        expected: Expected,
        found: String,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
    Entry(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A row itself must be an object.
    Row,
    /// A value of a column of this type.
    Of(DataType),
    /// Of this type, and written in this way.
    As(DataType, String),
}

#[cold]
pub(super) fn syntax(expected: &'static str, at: usize, at_end: bool) -> Refused {
    Box::new(Fault::Syntax { expected, at, at_end })
}

impl Fault {
    #[cold]
    pub(super) fn mismatch(expected: Expected, found: String) -> Refused {
        Box::new(Self::Mismatch {
            path: Vec::new(),
            expected,
            found,
        })
    }

    /// Whether the text is no JSON, as far as it was read.
    pub(super) fn is_malformed(&self) -> bool {
        !matches!(self, Self::Mismatch { .. } | Self::BatchTooLarge)
    }

    /// The same fault seen from one level up.
    #[cold]
    pub(super) fn below(mut self: Box<Self>, step: Step) -> Refused {
        if let Self::Mismatch { path, .. } = &mut *self {
            path.push(step);
        }
        self
    }
}

/// Names a text in a message, and not all of it where it is long.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?} and more", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax {
                expected,
                at,
                at_end: false,
            } => write!(f, "expected {expected} at byte {at}"),
            Self::Syntax { expected, .. } => write!(f, "expected {expected}, but the record ends"),
            Self::LoneSurrogate => f.write_str("an escape stands for half a character (a lone surrogate)"),
            Self::BatchTooLarge => f.write_str("the batch is as large as a column can be"),
            Self::NotUtf8 { at } => write!(f, "the record is not UTF-8 at byte {at}"),
            Self::Mismatch { path, expected, found } => {
                if let (Some(Step::Member(column)), Expected::Of(data_type) | Expected::As(data_type, _)) =
                    (path.last(), expected)
                {
                    write!(f, "column {column}")?;
                    for step in path.iter().rev().skip(1) {
                        match step {
                            Step::Member(name) => write!(f, ".{name}")?,
                            Step::Item(index) => write!(f, "[{index}]")?,
                            Step::Entry(key) => write!(f, "[{}]", shown(key))?,
                        }
                    }
                    write!(f, " ({}): ", crate::arrow_types::hive_name(data_type))?;
                }
                match expected {
                    Expected::Row => f.write_str("expected a JSON object")?,
                    Expected::Of(data_type) => write!(f, "expected {}", wanted(data_type))?,
                    Expected::As(_, form) => write!(f, "expected {form}")?,
                }
                write!(f, ", found {found}")
            }
        }
    }
}

/// What values of a column of this type look like in JSON.
fn wanted(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "true or false",
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => "an integer",
        DataType::Float32 | DataType::Float64 => "a number",
        DataType::Decimal128(..) => "a decimal number",
        DataType::Date32 => "a date such as 2013-01-31",
        DataType::Timestamp(..) => "a timestamp such as 2013-01-31T05:00:00Z",
        DataType::List(_) => "an array",
        DataType::Map(..) | DataType::Struct(_) => "an object",
        _ => "a text",
    }
}

//! The type grammar of Hive, which the catalog's columns are declared in.
//!
//! Source: Apache Hive, LanguageManual Types. Names are case-insensitive; field names keep their case.

use std::fmt;
use std::str::FromStr;

/// How deeply types may nest.
const DEPTH_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HiveType {
    Boolean,
    Tinyint,
    Smallint,
    Int,
    Bigint,
    Float,
    Double,
    /// Precision 1 to 38 and scale 0 to the precision.
    Decimal(u8, u8),
    String,
    Varchar(u32),
    Char(u32),
    Binary,
    Date,
    Timestamp,
    Array(Box<HiveType>),
    Map(Box<HiveType>, Box<HiveType>),
    Struct(Vec<HiveField>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiveField {
    pub name: String,
    pub data_type: HiveType,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a Hive type: {reason}")]
pub struct InvalidHiveType {
    pub text: String,
    pub reason: String,
}

impl HiveType {
    /// Whether values of this type are numbers.
    pub fn is_numeric(&self) -> bool {
        use HiveType::{Bigint, Decimal, Double, Float, Int, Smallint, Tinyint};
        matches!(self, Tinyint | Smallint | Int | Bigint | Float | Double | Decimal(..))
    }
}

impl FromStr for HiveType {
    type Err = InvalidHiveType;

    fn from_str(text: &str) -> Result<Self, InvalidHiveType> {
        let mut parser = Parser { rest: text };
        let parsed = parser
            .data_type(0)
            .and_then(|data_type| match parser.rest.trim_start() {
                "" => Ok(data_type),
                rest => Err(format!("nothing is expected at {rest:?}")),
            });
        parsed.map_err(|reason| InvalidHiveType {
            text: text.to_owned(),
            reason,
        })
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn data_type(&mut self, depth: usize) -> Result<HiveType, String> {
        if depth > DEPTH_MAX {
            return Err(format!("types nest deeper than {DEPTH_MAX}"));
        }
        let name = self
            .word(|c| c.is_ascii_alphanumeric() || c == '_')
            .to_ascii_lowercase();
        Ok(match name.as_str() {
            "boolean" => HiveType::Boolean,
            "tinyint" => HiveType::Tinyint,
            "smallint" => HiveType::Smallint,
            "int" | "integer" => HiveType::Int,
            "bigint" | "long" => HiveType::Bigint,
            "float" | "real" => HiveType::Float,
            "double" => {
                let before = self.rest;
                if !self.word(|c| c.is_ascii_alphabetic()).eq_ignore_ascii_case("precision") {
                    self.rest = before;
                }
                HiveType::Double
            }
            "string" => HiveType::String,
            "binary" => HiveType::Binary,
            "date" => HiveType::Date,
            "timestamp" => HiveType::Timestamp,
            "decimal" | "numeric" | "dec" => self.decimal()?,
            "varchar" => HiveType::Varchar(self.length()?),
            "char" => HiveType::Char(self.length()?),
            "array" => {
                self.expect('<')?;
                let element = self.data_type(depth + 1)?;
                self.expect('>')?;
                HiveType::Array(Box::new(element))
            }
            "map" => {
                self.expect('<')?;
                let key = self.data_type(depth + 1)?;
                self.expect(',')?;
                let value = self.data_type(depth + 1)?;
                self.expect('>')?;
                HiveType::Map(Box::new(key), Box::new(value))
            }
            "struct" => {
                self.expect('<')?;
                let mut fields = Vec::new();
                loop {
                    let name = self.field_name()?;
                    self.expect(':')?;
                    fields.push(HiveField {
                        name,
                        data_type: self.data_type(depth + 1)?,
                    });
                    if !self.take(',') {
                        break;
                    }
                }
                self.expect('>')?;
                HiveType::Struct(fields)
            }
            "" => return Err("a type name is missing".to_owned()),
            other => return Err(format!("there is no type {other}")),
        })
    }

    fn field_name(&mut self) -> Result<String, String> {
        if self.take('`') {
            let (name, rest) = self.rest.split_once('`').ok_or("a quoted field name does not end")?;
            self.rest = rest;
            return Ok(name.to_owned());
        }
        // Field names come from JSON and Avro, so nearly anything but the grammar's own signs may stand in them.
        match self.word(is_plain) {
            "" => Err("a field name is missing".to_owned()),
            name => Ok(name.to_owned()),
        }
    }

    fn decimal(&mut self) -> Result<HiveType, String> {
        if !self.take('(') {
            return Ok(HiveType::Decimal(10, 0));
        }
        let precision = self.number()?;
        let scale = if self.take(',') { self.number()? } else { 0 };
        self.expect(')')?;
        match (u8::try_from(precision), u8::try_from(scale)) {
            (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => Ok(HiveType::Decimal(precision, scale)),
            _ => Err(format!("decimal({precision},{scale}) is out of range")),
        }
    }

    fn length(&mut self) -> Result<u32, String> {
        self.expect('(')?;
        let length = self.number()?;
        self.expect(')')?;
        Ok(length)
    }

    fn number(&mut self) -> Result<u32, String> {
        let digits = self.word(|c| c.is_ascii_digit());
        digits
            .parse()
            .map_err(|_| "a number is missing or too large".to_owned())
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let text = self.rest.trim_start();
        let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
        self.rest = &text[end..];
        &text[..end]
    }

    fn take(&mut self, sign: char) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(format!("{sign:?} is expected at {:?}", self.rest))
        }
    }
}

/// Whether a field's name may hold `c` without quotes.
fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !":,<>()`".contains(c)
}

impl fmt::Display for HiveType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Tinyint => f.write_str("tinyint"),
            Self::Smallint => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::Bigint => f.write_str("bigint"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::String => f.write_str("string"),
            Self::Varchar(length) => write!(f, "varchar({length})"),
            Self::Char(length) => write!(f, "char({length})"),
            Self::Binary => f.write_str("binary"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Array(element) => write!(f, "array<{element}>"),
            Self::Map(key, value) => write!(f, "map<{key},{value}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    // A name that would read as something else stands in quotes, as it must where it is declared.
                    let plain = !field.name.is_empty() && field.name.chars().all(is_plain);
                    let quote = if plain { "" } else { "`" };
                    write!(f, "{comma}{quote}{}{quote}:{}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_and_refusals() {
        for (text, canonical) in [
            ("INT", "int"),
            ("integer", "int"),
            ("double precision", "double"),
            ("decimal", "decimal(10,0)"),
            ("decimal( 7 , 2 )", "decimal(7,2)"),
            (
                "ARRAY < Struct<Id : bigint, `a b`:string> >",
                "array<struct<Id:bigint,`a b`:string>>",
            ),
            ("map<string,array<int>>", "map<string,array<int>>"),
        ] {
            assert_eq!(text.parse::<HiveType>().expect(text).to_string(), canonical);
        }
        let deep = format!("{}int{}", "array<".repeat(100), ">".repeat(100));
        for text in [
            "",
            "strin",
            "array<int",
            "array<>",
            "map<int>",
            "decimal(39,1)",
            "int)",
            "struct<>",
            "varchar",
            &deep,
        ] {
            assert!(text.parse::<HiveType>().is_err(), "{text}");
        }
    }

    fn any_type() -> impl Strategy<Value = HiveType> {
        let leaf = prop_oneof![
            Just(HiveType::Boolean),
            Just(HiveType::Bigint),
            Just(HiveType::Double),
            Just(HiveType::Timestamp),
            (1..=38u8)
                .prop_flat_map(|p| (Just(p), 0..=p))
                .prop_map(|(p, s)| HiveType::Decimal(p, s)),
            any::<u32>().prop_map(HiveType::Varchar),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let field = ("[a-zA-Z_][a-zA-Z0-9_$-]{0,8}|[ :,<>()a-z]{1,4}", inner.clone());
            let fields = proptest::collection::vec(field, 1..4);
            prop_oneof![
                inner.clone().prop_map(|t| HiveType::Array(Box::new(t))),
                (inner.clone(), inner).prop_map(|(k, v)| HiveType::Map(Box::new(k), Box::new(v))),
                fields.prop_map(|fields| HiveType::Struct(
                    fields
                        .into_iter()
                        .map(|(name, data_type)| HiveField { name, data_type })
                        .collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn text_and_type_agree(data_type in any_type()) {
            prop_assert_eq!(data_type.to_string().parse::<HiveType>(), Ok(data_type));
        }

        #[test]
        fn no_text_panics(text in "[a-z<>(),: 0-9`]{0,40}") {
            let _ = text.parse::<HiveType>();
        }
    }
}
